"""What is accepted into bronze, and every reason for which a record is set aside. Common to all tables of bronze."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rows import Row, assert_rows, at, lines, minted, record, records, rows

from etl import catalog, conf
from etl.bronze import quarantine
from etl.contract import Event, Layer, Table
from etl.engine import ddl
from etl.engine.records import enrich, is_bad, parse_columns, parse_text, reasons
from etl.events import CREATORS, ENGAGEMENTS, EVENTS, HEARTBEATS, IMPRESSIONS, POSTS, RANKER_MODELS, SHARES

CONF = conf.load("local")
OF_EVENTS = [t for t in catalog.tables() if t.layer is Layer.BRONZE and t.event]
UNPARSEABLE = {"unparseable"}
TEN = minted(at("10:00"))
TICK = timedelta(microseconds=1)
LATEST = at("11:05")  # five minutes after the end of the landed hour
OLDEST = at("10:00") - timedelta(days=7)
OLDEST_ORIGINAL = at("10:00") - timedelta(days=30)


def served(when: datetime, **fields: Any) -> str:
    """An impression whose id and time agree."""
    ms = when.replace(microsecond=when.microsecond // 1000 * 1000)
    return text(IMPRESSIONS, impression_id=minted(ms), impression_ts=when, **fields)


def undo(**fields: Any) -> str:
    return text(ENGAGEMENTS, **{"action": "undo", "original_ts": at("09:59"), **fields})


def text(event: Event, **fields: Any) -> str:
    """A lawful record but for the fields given, as JSON; a field given as `...` is left out."""
    return json.dumps(record(event, **fields))


GOOD = text(IMPRESSIONS)

ACCEPTED: dict[str, tuple[Event, str]] = {
    **{f"plain {event.name}": (event, text(event)) for event in EVENTS},
    "unknown fields, simple and nested": (IMPRESSIONS, text(IMPRESSIONS, new=1, more={"a": [{"b": 2}, {"c": {}}]})),
    "fields named as our own columns": (IMPRESSIONS, text(IMPRESSIONS, raw=1, _corrupt="x", landed_hour=2)),
    "braces inside text": (POSTS, text(POSTS, caption='}{ "},{" }')),
    "text that looks like a number": (CREATORS, text(CREATORS, handle="123")),
    "an optional field that is null": (IMPRESSIONS, text(IMPRESSIONS, device_id=None)),
    "optional text that is null": (CREATORS, text(CREATORS, country=None)),
    "space around it": (IMPRESSIONS, f"  {GOOD}\t "),
    "a key given twice, the last wins": (IMPRESSIONS, GOOD.replace("{", '{"viewer_id": 3, ', 1)),
    "ids to the last of 64 bits": (IMPRESSIONS, text(IMPRESSIONS, viewer_id=2**63 - 1, post_id=-(2**63))),
    "an integer for a decimal": (IMPRESSIONS, text(IMPRESSIONS, predicted_score=1)),
    "a score of many digits": (IMPRESSIONS, GOOD.replace('"predicted_score": 0.0', '"predicted_score": 0.12345678901234567')),
    "the ends of a range": (HEARTBEATS, text(HEARTBEATS, beat_seq=345_599, viewport_pct=1)),
    "another offset": (IMPRESSIONS, text(IMPRESSIONS, impression_ts="2026-06-01T15:45:00+05:45")),
    "Z for an offset": (IMPRESSIONS, text(IMPRESSIONS, impression_ts="2026-06-01T10:00:00.000001Z")),
    "id and time 5 s apart": (IMPRESSIONS, text(IMPRESSIONS, impression_ts=at("10:00:05"))),
    "five minutes after its landed hour": (IMPRESSIONS, served(LATEST)),
    "as late as a fact may be": (IMPRESSIONS, served(OLDEST)),
    "an undo of the oldest fact there is": (ENGAGEMENTS, undo(original_ts=OLDEST_ORIGINAL)),
    "an undo at once": (ENGAGEMENTS, undo(original_ts=at("10:00"))),
    "a do whose original_ts is too old": (ENGAGEMENTS, text(ENGAGEMENTS, original_ts=at("10:00") - timedelta(days=99))),
    "a reaction by deep link": (ENGAGEMENTS, text(ENGAGEMENTS, impression_id=None)),
    "a scheduled change": (POSTS, text(POSTS, effective_ts="2031-01-01T00:00:00Z")),
    "a change of long ago": (CREATORS, text(CREATORS, effective_ts="2001-01-01T00:00:00Z")),
    "a delete that says only what": (POSTS, text(POSTS, op="delete", creator_id=..., media_type=None)),
    "a retire that says only what": (
        RANKER_MODELS, text(RANKER_MODELS, op="retire", ranker_model_id=..., feature_set=..., deployed_pct=...)),
}  # fmt: skip

REFUSED: dict[str, tuple[Event, str, set[str]]] = {
    "text": (IMPRESSIONS, "hello", UNPARSEABLE),
    "cut off": (IMPRESSIONS, GOOD[:-5], UNPARSEABLE),
    "cut off after a field": (IMPRESSIONS, GOOD[: GOOD.index(",")], UNPARSEABLE),
    "an array": (IMPRESSIONS, f"[{GOOD}]", UNPARSEABLE),
    "a number": (IMPRESSIONS, "5", UNPARSEABLE),
    "null": (IMPRESSIONS, "null", UNPARSEABLE),
    "garbage behind": (IMPRESSIONS, f"{GOOD} x", UNPARSEABLE),
    "a brace too many": (IMPRESSIONS, f"{GOOD}}}", UNPARSEABLE),
    "two records on a line": (IMPRESSIONS, GOOD + GOOD, UNPARSEABLE),
    "two records and a comma": (IMPRESSIONS, f"{GOOD}, {GOOD}", UNPARSEABLE),
    "a bare NaN": (IMPRESSIONS, text(IMPRESSIONS, predicted_score=float("nan")), UNPARSEABLE),
    "a bare Infinity": (IMPRESSIONS, text(IMPRESSIONS, predicted_score=float("inf")), UNPARSEABLE),
    "a key given twice, first wrongly": (IMPRESSIONS, GOOD.replace("{", '{"viewer_id": "x", ', 1), UNPARSEABLE),
    "nothing in it": (CREATORS, "{}", {f"missing:{f.name}" for f in CREATORS.fields if not f.nullable}),
    "a missing field": (IMPRESSIONS, text(IMPRESSIONS, viewer_id=...), {"missing:viewer_id"}),
    "a field that is null": (IMPRESSIONS, text(IMPRESSIONS, viewer_id=None), {"missing:viewer_id"}),
    "missing time": (SHARES, text(SHARES, share_ts=...), {"missing:share_ts"}),
    "an upsert without its payload": (
        POSTS, text(POSTS, creator_id=..., media_type=...), {"missing:creator_id", "missing:media_type"}),
    "a delete of nothing": (POSTS, text(POSTS, op="delete", post_id=...), {"missing:post_id"}),
    "a change without op": (POSTS, text(POSTS, op=..., creator_id=...), {"missing:op", "missing:creator_id"}),
    "12.5 for an integer": (IMPRESSIONS, text(IMPRESSIONS, viewer_id=12.5), {"wrong_type:viewer_id"}),
    "text for an integer": (IMPRESSIONS, text(IMPRESSIONS, viewer_id="12"), {"wrong_type:viewer_id"}),
    "true for an integer": (IMPRESSIONS, text(IMPRESSIONS, viewer_id=True), {"wrong_type:viewer_id"}),
    "an integer of 65 bits": (IMPRESSIONS, text(IMPRESSIONS, viewer_id=2**63), {"wrong_type:viewer_id"}),
    "an integer of 200 bits": (IMPRESSIONS, text(IMPRESSIONS, viewer_id=2**200), {"wrong_type:viewer_id"}),
    "text for a decimal": (IMPRESSIONS, text(IMPRESSIONS, predicted_score="0.5"), {"wrong_type:predicted_score"}),
    "a NaN in quotes": (IMPRESSIONS, text(IMPRESSIONS, predicted_score="NaN"), {"wrong_type:predicted_score"}),
    "a decimal beyond any": (IMPRESSIONS, text(IMPRESSIONS, predicted_score=1e30), {"wrong_type:predicted_score"}),
    "a number for text": (CREATORS, text(CREATORS, handle=123), {"wrong_type:handle"}),
    "an object for text": (CREATORS, text(CREATORS, handle={"a": 1}), {"wrong_type:handle"}),
    "optional integer of wrong type": (IMPRESSIONS, text(IMPRESSIONS, device_id="x"), {"wrong_type:device_id"}),
    "optional text of wrong type": (POSTS, text(POSTS, caption=["a"]), {"wrong_type:caption"}),
    "optional time of wrong type": (ENGAGEMENTS, text(ENGAGEMENTS, original_ts="soon"), {"wrong_type:original_ts"}),
    "payload of wrong type in a delete": (POSTS, text(POSTS, op="delete", creator_id="x"), {"wrong_type:creator_id"}),
    **{
        f"the time {when!r}": (IMPRESSIONS, text(IMPRESSIONS, impression_ts=when), {"wrong_type:impression_ts"})
        for when in ("2026-06-01T10:00:00", "2026-06-01", "2026-02-30T10:00:00Z", "2026-06-01T24:00:00Z",
                     "2026-06-01T10:00:00+25:00", "10:00", "", 1_780_308_000)
    },
    "a surface nobody knows": (IMPRESSIONS, text(IMPRESSIONS, surface="tv"), {"out_of_set:surface"}),
    "an event type in capitals": (ENGAGEMENTS, text(ENGAGEMENTS, event_type="LIKE"), {"out_of_set:event_type"}),
    "an action nobody knows": (ENGAGEMENTS, text(ENGAGEMENTS, action="redo"), {"out_of_set:action"}),
    "a retired post": (POSTS, text(POSTS, op="retire"), {"out_of_set:op"}),
    "a retired creator": (CREATORS, text(CREATORS, op="retire"), {"out_of_set:op"}),
    "a deleted model": (RANKER_MODELS, text(RANKER_MODELS, op="delete"), {"out_of_set:op"}),
    "an op nobody knows": (POSTS, text(POSTS, op="merge"), {"out_of_set:op"}),
    "a slot before the first": (IMPRESSIONS, text(IMPRESSIONS, feed_position=-1), {"out_of_range:feed_position"}),
    "a slot beyond 16 bits": (IMPRESSIONS, text(IMPRESSIONS, feed_position=32_768), {"out_of_range:feed_position"}),
    "a score that rounds out of range": (
        IMPRESSIONS, text(IMPRESSIONS, predicted_score=99.9999995), {"out_of_range:predicted_score"}),
    "more than all of the post": (HEARTBEATS, text(HEARTBEATS, viewport_pct=1.001), {"out_of_range:viewport_pct"}),
    "less than nothing of it": (HEARTBEATS, text(HEARTBEATS, viewport_pct=-0.001), {"out_of_range:viewport_pct"}),
    "a beat beyond a day": (HEARTBEATS, text(HEARTBEATS, beat_seq=345_600), {"out_of_range:beat_seq"}),
    "a beat beyond 32 bits": (HEARTBEATS, text(HEARTBEATS, beat_seq=2**40), {"out_of_range:beat_seq"}),
    "more than all traffic": (RANKER_MODELS, text(RANKER_MODELS, deployed_pct=100.01), {"out_of_range:deployed_pct"}),
    "an undo of nothing": (ENGAGEMENTS, undo(original_ts=...), {"undo_without_original_ts"}),
    "an undo of what is yet to come": (ENGAGEMENTS, undo(original_ts=at("10:00") + TICK), {"out_of_range:original_ts"}),
    "id after its time": (IMPRESSIONS, text(IMPRESSIONS, impression_ts=at("09:59:55") - TICK), {"id_time_mismatch"}),
    "id before its time": (IMPRESSIONS, text(IMPRESSIONS, impression_ts=at("10:00:05") + TICK), {"id_time_mismatch"}),
    "after its landed hour": (IMPRESSIONS, served(LATEST + TICK), {"in_future"}),
    "later than a fact may be": (IMPRESSIONS, served(OLDEST - TICK), {"too_late"}),
    "a beat of an impression too old": (
        HEARTBEATS, text(HEARTBEATS, impression_id=minted(OLDEST - timedelta(hours=1))), {"too_late"}),
    "an undo of what is gone": (ENGAGEMENTS, undo(original_ts=OLDEST_ORIGINAL - TICK), {"too_late"}),
    "a share of next year": (SHARES, text(SHARES, share_ts="2027-06-01T10:00:00Z"), {"in_future"}),
    "many things at once": (
        IMPRESSIONS,
        text(IMPRESSIONS, viewer_id=..., post_id="x", surface="tv", feed_position=-1, device_id=1.5,
             impression_ts="2020-01-01T00:00:00Z"),
        {"missing:viewer_id", "wrong_type:post_id", "out_of_set:surface", "out_of_range:feed_position",
         "wrong_type:device_id", "too_late", "id_time_mismatch"},
    ),
}  # fmt: skip


def judge(parsed: DataFrame, event: Event) -> list[tuple[bool, set[str]]]:
    """(bad, reasons) of each record, reasons only of bad ones, in order."""
    why = F.when(is_bad(event, CONF), reasons(event, CONF))
    return [(r.why is not None, set(r.why or ())) for r in parsed.select(why.alias("why")).collect()]


@pytest.fixture(scope="module")
def verdicts(spark: SparkSession) -> dict[str, tuple[bool, set[str]]]:
    """Every case above, judged in one job per event."""
    cases = [(name, *case[:2]) for name, case in [*ACCEPTED.items(), *REFUSED.items()]]
    found = {}
    for event in EVENTS:
        mine = {name: raw for name, e, raw in cases if e is event}
        parsed = enrich(parse_text(lines(spark, mine.values()), event), event, CONF)
        found |= dict(zip(mine, judge(parsed, event), strict=True))
    return found


@pytest.mark.parametrize("case", ACCEPTED)
def test_a_record_is_accepted(verdicts: dict[str, tuple[bool, set[str]]], case: str) -> None:
    assert verdicts[case] == (False, set())


@pytest.mark.parametrize("case", REFUSED)
def test_a_record_is_set_aside_with_all_its_reasons(verdicts: dict[str, tuple[bool, set[str]]], case: str) -> None:
    assert verdicts[case] == (True, REFUSED[case][2])


SPOILT: dict[str, list[tuple[Any, str]]] = {
    "viewer_id": [(..., "missing:viewer_id"), ("7", "wrong_type:viewer_id"), (1.5, "wrong_type:viewer_id")],
    "post_id": [(None, "missing:post_id"), (2**64, "wrong_type:post_id")],
    "feed_position": [(-1, "out_of_range:feed_position"), (40_000, "out_of_range:feed_position")],
    "surface": [("tv", "out_of_set:surface"), (..., "missing:surface")],
    "predicted_score": [(100, "out_of_range:predicted_score"), ("1", "wrong_type:predicted_score")],
    "device_id": [("x", "wrong_type:device_id"), ([], "wrong_type:device_id")],
    "impression_ts": [("x", "wrong_type:impression_ts"), (at("10:00:06"), "id_time_mismatch")],
}
SPOIL = st.fixed_dictionaries({}, optional={field: st.sampled_from(ways) for field, ways in SPOILT.items()})


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.lists(SPOIL, min_size=100, max_size=100))
def test_any_combination_of_faults_is_named_in_full(
    spark: SparkSession, drawn: list[dict[str, tuple[Any, str]]]
) -> None:
    """A hundred records, each spoilt in some fields: accepted if none was, else every fault and no other."""
    texts = [text(IMPRESSIONS, **{field: value for field, (value, _) in spoilt.items()}) for spoilt in drawn]

    parsed = enrich(parse_text(lines(spark, texts), IMPRESSIONS), IMPRESSIONS, CONF)

    wanted = [(bool(spoilt), {reason for _, reason in spoilt.values()}) for spoilt in drawn]
    assert judge(parsed, IMPRESSIONS) == wanted


PARQUET = {
    "impression_id": (TEN, "BIGINT"), "viewer_id": (1, "BIGINT"), "post_id": (1, "BIGINT"),
    "feed_position": (1, "SMALLINT"), "surface": ("feed", "STRING"), "ranker_model_id": (1, "BIGINT"),
    "predicted_score": (0.5, "DOUBLE"), "device_id": (None, "BIGINT"), "impression_ts": (at("10:00"), "TIMESTAMP"),
}  # fmt: skip


def columnar(spark: SparkSession, **columns: Any) -> DataFrame:
    """An impression in a Parquet file whose columns differ from the usual: name -> (value, type), or `...` for none."""
    held = {k: v for k, v in (PARQUET | columns).items() if v is not ...}
    schema = ", ".join(f"{name} {type_}" for name, (_, type_) in held.items())
    row = spark.createDataFrame([tuple(value for value, _ in held.values())], schema)
    landed = row.withColumns({"source_file": F.lit("a.parquet"), "landed_hour": F.lit(at("10:00"))})
    return enrich(parse_columns(landed, IMPRESSIONS), IMPRESSIONS, CONF)


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ({}, set()),
        ({"feed_position": (1, "BIGINT"), "viewer_id": (1, "INT"), "predicted_score": (1, "INT")}, set()),
        ({"predicted_score": (Decimal("0.5"), "DECIMAL(10,8)"), "more": (1, "INT"), "device_id": ...}, set()),
        ({"impression_ts": (datetime(2026, 6, 1, 10), "TIMESTAMP_NTZ")}, set()),
        ({"impression_ts": ("2026-06-01T10:00:00Z", "STRING")}, set()),
        ({"viewer_id": ...}, {"missing:viewer_id"}),
        ({"viewer_id": (None, "BIGINT")}, {"missing:viewer_id"}),
        ({"viewer_id": (12.0, "DOUBLE")}, {"wrong_type:viewer_id"}),
        ({"viewer_id": ("12", "STRING")}, {"wrong_type:viewer_id"}),
        ({"device_id": ("12", "STRING")}, {"wrong_type:device_id"}),
        ({"surface": (1, "INT")}, {"wrong_type:surface"}),
        ({"surface": ("tv", "STRING")}, {"out_of_set:surface"}),
        ({"predicted_score": (float("nan"), "DOUBLE")}, {"wrong_type:predicted_score"}),
        ({"predicted_score": (1e30, "DOUBLE")}, {"wrong_type:predicted_score"}),
        ({"predicted_score": (100.0, "DOUBLE"), "feed_position": (40_000, "INT")},
         {"out_of_range:predicted_score", "out_of_range:feed_position"}),
        ({"impression_ts": (1_780_308_000, "BIGINT")}, {"wrong_type:impression_ts"}),
        ({"impression_ts": ("2026-06-01T10:00:00", "STRING")}, {"wrong_type:impression_ts"}),
        ({"impression_ts": (at("10:00:06"), "TIMESTAMP")}, {"id_time_mismatch"}),
        ({"impression_id": (minted(LATEST) + (1 << 22), "BIGINT"), "impression_ts": (LATEST + TICK, "TIMESTAMP")},
         {"in_future"}),
    ],
)  # fmt: skip
def test_a_parquet_row_is_judged_as_a_line_of_text(
    spark: SparkSession, columns: dict[str, Any], wanted: set[str]
) -> None:
    """Whole numbers of any width are integers and any number is a decimal; text is neither."""
    assert judge(columnar(spark, **columns), IMPRESSIONS) == [(bool(wanted), wanted)]


def test_a_parquet_row_is_kept_as_json_to_the_microsecond(spark: SparkSession) -> None:
    """So that what was set aside can be landed again."""
    row = columnar(spark, impression_ts=(at("10:00:00.123456"), "TIMESTAMP"), surface=("tv", "STRING"))

    raw = json.loads(row.select("raw").collect()[0][0])

    assert datetime.fromisoformat(raw["impression_ts"]) == at("10:00:00.123456")
    assert raw["surface"] == "tv"


@pytest.mark.parametrize("table", OF_EVENTS, ids=lambda t: t.name)
def test_an_accepted_record_is_a_typed_bronze_row(spark: SparkSession, table: Table) -> None:
    """Every field of the record is in the row, in the contract's type, with where it came from."""
    assert table.event
    sent = record(table.event)

    made = catalog.entry(table.name).transform(records(spark, table.event, [{}]))

    row = ddl.conform(made, table).collect()[0].asDict()
    assert row["source_file"] == "a.jsonl"
    assert {k: row[k] for k, v in sent.items() if isinstance(v, int)} == {
        k: v for k, v in sent.items() if isinstance(v, int)
    }
    assert {f.name for f in table.event.fields} <= row.keys()


def test_a_landed_impression_keeps_every_value(spark: SparkSession) -> None:
    table = catalog.entry("bronze_impressions").table
    sent: Row = {
        "impression_id": TEN, "viewer_id": 2**53 + 1, "post_id": -3, "feed_position": 4, "surface": "reels",
        "ranker_model_id": 5, "device_id": 6, "impression_ts": at("10:00:00.123456"),
    }  # fmt: skip

    made = catalog.entry(table.name).transform(records(spark, IMPRESSIONS, [{**sent, "predicted_score": 0.25}]))

    assert_rows(made, table, [{**sent, "predicted_score": Decimal("0.25"), "impression_hour": at("10:00")}])


def test_a_record_set_aside_keeps_its_text_and_its_reasons(spark: SparkSession) -> None:
    set_aside = {"event": "impressions", "raw": "{", "reasons": ["unparseable"], "landed_hour": at("10:00")}

    made = quarantine.transform(rows(spark, quarantine.TABLE, [set_aside]))

    assert_rows(made, quarantine.TABLE, [set_aside])
