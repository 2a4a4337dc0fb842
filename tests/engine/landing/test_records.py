"""Which records bronze accepts, and every reason to quarantine a record. The same for all bronze tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.rows import at, lines, minted, record

from etl import conf
from etl.engine.landing.faults import is_bad, reasons
from etl.engine.landing.records import enrich, parse_columns, parse_text
from etl.model.contract import Event
from etl.subjects.feed.events import (
    CREATORS,
    ENGAGEMENTS,
    EVENTS,
    HEARTBEATS,
    IMPRESSIONS,
    POSTS,
    RANKER_MODELS,
    SHARES,
)

CONF = conf.load("local")
TEN = minted(at("10:00"))
TICK = timedelta(microseconds=1)
LATEST = at("11:05")  # five minutes after the end of the landed hour
OLDEST = at("10:00") - timedelta(days=7)
OLDEST_ORIGINAL = at("10:00") - timedelta(days=30)


@dataclass(frozen=True)
class Case:
    """A landed line and the reasons to quarantine it; without reasons it is accepted."""

    event: Event
    raw: str
    reasons: tuple[str, ...] = ()


def text(event: Event, **fields: Any) -> str:
    """A valid record as JSON, with some fields replaced; a field given as `...` is left out."""
    return json.dumps(record(event, **fields))


def good(event: Event, **fields: Any) -> Case:
    return Case(event, text(event, **fields))


def bad(event: Event, *reasons: str, **fields: Any) -> Case:
    return Case(event, text(event, **fields), reasons)


def line(raw: str, *reasons: str, event: Event = IMPRESSIONS) -> Case:
    return Case(event, raw, reasons)


def served(when: datetime, *reasons: str) -> Case:
    """An impression whose id and time agree."""
    ms = when.replace(microsecond=when.microsecond // 1000 * 1000)
    return bad(IMPRESSIONS, *reasons, impression_id=minted(ms), impression_ts=when)


def undo(original_ts: Any, *reasons: str) -> Case:
    return bad(ENGAGEMENTS, *reasons, action="undo", original_ts=original_ts)


GOOD = text(IMPRESSIONS)

ACCEPTED: dict[str, Case] = {
    **{f"plain {event.name}": good(event) for event in EVENTS},
    "unknown fields, simple and nested": good(IMPRESSIONS, new=1, more={"a": [{"b": 2}, {"c": {}}]}),
    "fields with the names of reader columns": good(IMPRESSIONS, raw=1, _corrupt="x", landed_hour=2),
    "braces inside text": good(POSTS, caption='}{ "},{" }'),
    "text that looks like a number": good(CREATORS, handle="123"),
    "an optional field that is null": good(IMPRESSIONS, device_id=None),
    "optional text that is null": good(CREATORS, country=None),
    "space around it": line(f"  {GOOD}\t "),
    "a key given twice, the last wins": line(GOOD.replace("{", '{"viewer_id": 3, ', 1)),
    "ids to the last of 64 bits": good(IMPRESSIONS, viewer_id=2**63 - 1, post_id=-(2**63)),
    "an integer for a decimal": good(IMPRESSIONS, predicted_score=1),
    "a score of many digits": line(GOOD.replace(": 0.0", ": 0.12345678901234567")),
    "the ends of a range": good(HEARTBEATS, beat_seq=345_599, viewport_pct=1),
    "another offset": good(IMPRESSIONS, impression_ts="2026-06-01T15:45:00+05:45"),
    "Z for an offset": good(IMPRESSIONS, impression_ts="2026-06-01T10:00:00.000001Z"),
    "id and time 5 s apart": good(IMPRESSIONS, impression_ts=at("10:00:05")),
    "five minutes after its landed hour": served(LATEST),
    "as late as a fact may be": served(OLDEST),
    "an undo of the oldest fact that is kept": undo(OLDEST_ORIGINAL),
    "an undo at once": undo(at("10:00")),
    "a do whose original_ts is too old": good(ENGAGEMENTS, original_ts=at("10:00") - timedelta(days=99)),
    "a reaction by deep link": good(ENGAGEMENTS, impression_id=None),
    "text of two code units, escaped": line(text(POSTS, caption="\U0001f600"), event=POSTS),
    "an escaped backslash before text that looks like half a pair": line(
        text(POSTS).replace("{", '{"caption": "\\\\ud800 \\\\\\\\ud800", ', 1), event=POSTS),
    "the first allowed time": good(POSTS, effective_ts="1970-01-01T00:00:00Z"),
    "the last allowed time": good(POSTS, effective_ts="2200-01-01T00:00:00Z"),
    "a time in nanoseconds": good(IMPRESSIONS, impression_ts="2026-06-01T10:00:00.000000999Z"),
    "a scheduled change": good(POSTS, effective_ts="2031-01-01T00:00:00Z"),
    "a change far in the past": good(CREATORS, effective_ts="2001-01-01T00:00:00Z"),
    "a delete with only its key": good(POSTS, op="delete", creator_id=..., media_type=None),
    "a retire with only its key": good(
        RANKER_MODELS, op="retire", ranker_model_id=..., feature_set=..., deployed_pct=...),
}  # fmt: skip

QUARANTINED: dict[str, Case] = {
    "text": line("hello", "unparseable"),
    "cut off": line(GOOD[:-5], "unparseable"),
    "cut off after a field": line(GOOD[: GOOD.index(",")], "unparseable"),
    "an array": line(f"[{GOOD}]", "unparseable"),
    "a number": line("5", "unparseable"),
    "single quotes": line(GOOD.replace('"', "'"), "unparseable"),
    "one name in single quotes": line(GOOD.replace('"viewer_id"', "'viewer_id'"), "unparseable"),
    "half a pair of code units, escaped": line(
        text(CREATORS, handle="ana").replace("ana", "ana\\ud83d"), "unparseable", event=CREATORS),
    "the other half": line(text(CREATORS, handle="ana").replace("ana", "\\uDC00ana"), "unparseable", event=CREATORS),
    "two halves in the wrong order": line(
        text(CREATORS, handle="ana").replace("ana", "\\udc00\\ud83d"), "unparseable", event=CREATORS),
    "a byte order mark on a later line": line(f"\ufeff{GOOD}", "unparseable"),
    "a bare NUL": line(GOOD.replace("feed", "fe\0ed"), "unparseable"),
    "the year 9999": bad(CREATORS, "out_of_range:effective_ts", effective_ts="9999-12-31T23:59:59.999999Z"),
    "the year 1": bad(POSTS, "out_of_range:effective_ts", effective_ts="0001-01-01T00:00:00+00:00"),
    "the year 0": bad(RANKER_MODELS, "out_of_range:effective_ts", effective_ts="0000-01-01T00:00:00Z"),
    "just before the first allowed time": bad(
        POSTS, "out_of_range:effective_ts", effective_ts="1969-12-31T23:59:59.999999Z"),
    "just after the last one": bad(POSTS, "out_of_range:effective_ts", effective_ts="2200-01-01T00:00:00.000001Z"),
    "an original time outside the allowed range": bad(
        ENGAGEMENTS, "out_of_range:original_ts", original_ts="9999-12-31T00:00:00Z"),
    "null": line("null", "unparseable"),
    "text after the record": line(f"{GOOD} x", "unparseable"),
    "one brace too many": line(f"{GOOD}}}", "unparseable"),
    "two records on a line": line(GOOD + GOOD, "unparseable"),
    "two records and a comma": line(f"{GOOD}, {GOOD}", "unparseable"),
    "a bare NaN": bad(IMPRESSIONS, "unparseable", predicted_score=float("nan")),
    "a bare Infinity": bad(IMPRESSIONS, "unparseable", predicted_score=float("inf")),
    "a key given twice, first wrongly": line(GOOD.replace("{", '{"viewer_id": "x", ', 1), "unparseable"),
    "an empty object": line("{}", *(f"missing:{f.name}" for f in IMPRESSIONS.fields if not f.nullable)),
    "a missing field": bad(IMPRESSIONS, "missing:viewer_id", viewer_id=...),
    "a field that is null": bad(IMPRESSIONS, "missing:viewer_id", viewer_id=None),
    "missing time": bad(SHARES, "missing:share_ts", share_ts=...),
    "an upsert without its payload": bad(
        POSTS, "missing:creator_id", "missing:media_type", creator_id=..., media_type=...),
    "a delete without its key": bad(POSTS, "missing:post_id", op="delete", post_id=...),
    "a change without op": bad(POSTS, "missing:op", "missing:creator_id", op=..., creator_id=...),
    "12.5 for an integer": bad(IMPRESSIONS, "wrong_type:viewer_id", viewer_id=12.5),
    "text for an integer": bad(IMPRESSIONS, "wrong_type:viewer_id", viewer_id="12"),
    "true for an integer": bad(IMPRESSIONS, "wrong_type:viewer_id", viewer_id=True),
    "an integer of 65 bits": bad(IMPRESSIONS, "wrong_type:viewer_id", viewer_id=2**63),
    "an integer of 200 bits": bad(IMPRESSIONS, "wrong_type:viewer_id", viewer_id=2**200),
    "text for a decimal": bad(IMPRESSIONS, "wrong_type:predicted_score", predicted_score="0.5"),
    "a NaN in quotes": bad(IMPRESSIONS, "wrong_type:predicted_score", predicted_score="NaN"),
    "a decimal that is too large": bad(IMPRESSIONS, "wrong_type:predicted_score", predicted_score=1e30),
    "a number for text": bad(CREATORS, "wrong_type:handle", handle=123),
    "an object for text": bad(CREATORS, "wrong_type:handle", handle={"a": 1}),
    "optional integer of wrong type": bad(IMPRESSIONS, "wrong_type:device_id", device_id="x"),
    "optional text of wrong type": bad(POSTS, "wrong_type:caption", caption=["a"]),
    "optional time of wrong type": bad(ENGAGEMENTS, "wrong_type:original_ts", original_ts="soon"),
    "payload of wrong type in a delete": bad(POSTS, "wrong_type:creator_id", op="delete", creator_id="x"),
    **{
        f"the time {when!r}": bad(IMPRESSIONS, "wrong_type:impression_ts", impression_ts=when)
        for when in ("2026-06-01T10:00:00", "2026-06-01", "2026-02-30T10:00:00Z", "2026-06-01T24:00:00Z",
                     "2026-06-01T10:00:00+25:00", "10:00", "", 1_780_308_000, "2026-06-01T10:00:00Z\n", 1780308000000,
                     " 2026-06-01T10:00:00Z", "2026-06-01T10:00:00Z ", "20260601T100000Z", "2026-06-01T10Z", "now",
                     "12026-06-01T10:00:00Z", "epoch", {"t": 1}, ["2026-06-01T10:00:00Z"], True)
    },
    "an unknown surface": bad(IMPRESSIONS, "out_of_set:surface", surface="tv"),
    "an event type in capitals": bad(ENGAGEMENTS, "out_of_set:event_type", event_type="LIKE"),
    "an unknown action": bad(ENGAGEMENTS, "out_of_set:action", action="redo"),
    "a retired post": bad(POSTS, "out_of_set:op", op="retire"),
    "a retired creator": bad(CREATORS, "out_of_set:op", op="retire"),
    "a deleted model": bad(RANKER_MODELS, "out_of_set:op", op="delete"),
    "an unknown op": bad(POSTS, "out_of_set:op", op="merge"),
    "a slot before the first": bad(IMPRESSIONS, "out_of_range:feed_position", feed_position=-1),
    "a slot beyond 16 bits": bad(IMPRESSIONS, "out_of_range:feed_position", feed_position=32_768),
    "a score that rounds out of range": bad(IMPRESSIONS, "out_of_range:predicted_score", predicted_score=99.9999995),
    "more than 100 % of the post in view": bad(HEARTBEATS, "out_of_range:viewport_pct", viewport_pct=1.001),
    "less than 0 % of the post in view": bad(HEARTBEATS, "out_of_range:viewport_pct", viewport_pct=-0.001),
    "a heartbeat after more than a day": bad(HEARTBEATS, "out_of_range:beat_seq", beat_seq=345_600),
    "a heartbeat number beyond 32 bits": bad(HEARTBEATS, "out_of_range:beat_seq", beat_seq=2**40),
    "more than 100 % of traffic": bad(RANKER_MODELS, "out_of_range:deployed_pct", deployed_pct=100.01),
    "an undo without the original time": undo(..., "undo_without_original_ts"),
    "an undo of a later action": undo(at("10:00") + TICK, "out_of_range:original_ts"),
    "id after its time": bad(IMPRESSIONS, "id_time_mismatch", impression_ts=at("09:59:55") - TICK),
    "id before its time": bad(IMPRESSIONS, "id_time_mismatch", impression_ts=at("10:00:05") + TICK),
    "after its landed hour": served(LATEST + TICK, "in_future"),
    "later than a fact may be": served(OLDEST - TICK, "too_late"),
    "a late heartbeat": bad(HEARTBEATS, "too_late", impression_id=minted(OLDEST - timedelta(hours=1))),
    "an undo of a fact that is not kept any more": undo(OLDEST_ORIGINAL - TICK, "too_late"),
    "a share of next year": bad(SHARES, "in_future", share_ts="2027-06-01T10:00:00Z"),
    "many faults at once": bad(
        IMPRESSIONS, "missing:viewer_id", "wrong_type:post_id", "out_of_set:surface", "out_of_range:feed_position",
        "wrong_type:device_id", "too_late", "id_time_mismatch",
        viewer_id=..., post_id="x", surface="tv", feed_position=-1, device_id=1.5,
        impression_ts="2020-01-01T00:00:00Z",
    ),
}  # fmt: skip


def judge(parsed: DataFrame, event: Event) -> list[tuple[bool, set[str]]]:
    """(is bad, reasons) of each record, in order; a good record has no reasons."""
    why = F.when(is_bad(event, CONF), reasons(event, CONF))
    return [(r.why is not None, set(r.why or ())) for r in parsed.select(why.alias("why")).collect()]


@pytest.fixture(scope="module")
def verdicts(spark: SparkSession) -> dict[str, tuple[bool, set[str]]]:
    """Every case above, judged in one job per event."""
    found: dict[str, tuple[bool, set[str]]] = {}
    for event in EVENTS:
        raw = {name: case.raw for name, case in (ACCEPTED | QUARANTINED).items() if case.event is event}
        parsed = enrich(parse_text(lines(spark, raw.values()), event), event, CONF)
        found |= dict(zip(raw, judge(parsed, event), strict=True))
    return found


@pytest.mark.parametrize("case", ACCEPTED)
def test_a_record_is_accepted(verdicts: dict[str, tuple[bool, set[str]]], case: str) -> None:
    assert verdicts[case] == (False, set())


@pytest.mark.parametrize("case", QUARANTINED)
def test_a_record_is_quarantined_with_all_its_reasons(verdicts: dict[str, tuple[bool, set[str]]], case: str) -> None:
    assert verdicts[case] == (True, set(QUARANTINED[case].reasons))


FAULTS: dict[str, list[tuple[Any, str]]] = {
    "viewer_id": [(..., "missing:viewer_id"), ("7", "wrong_type:viewer_id"), (1.5, "wrong_type:viewer_id")],
    "post_id": [(None, "missing:post_id"), (2**64, "wrong_type:post_id")],
    "feed_position": [(-1, "out_of_range:feed_position"), (40_000, "out_of_range:feed_position")],
    "surface": [("tv", "out_of_set:surface"), (..., "missing:surface")],
    "predicted_score": [(100, "out_of_range:predicted_score"), ("1", "wrong_type:predicted_score")],
    "device_id": [("x", "wrong_type:device_id"), ([], "wrong_type:device_id")],
    "impression_ts": [("x", "wrong_type:impression_ts"), (at("10:00:06"), "id_time_mismatch")],
}
RANDOM_FAULTS = st.fixed_dictionaries({}, optional={field: st.sampled_from(ways) for field, ways in FAULTS.items()})


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.lists(RANDOM_FAULTS, min_size=100, max_size=100))
def test_every_fault_in_any_combination_is_named(spark: SparkSession, drawn: list[dict[str, tuple[Any, str]]]) -> None:
    """A hundred records with faults in random fields: each gets exactly the reasons of its faults."""
    texts = [text(IMPRESSIONS, **{field: value for field, (value, _) in faults.items()}) for faults in drawn]

    parsed = enrich(parse_text(lines(spark, texts), IMPRESSIONS), IMPRESSIONS, CONF)

    wanted = [(bool(faults), {reason for _, reason in faults.values()}) for faults in drawn]
    assert judge(parsed, IMPRESSIONS) == wanted


PARQUET = {
    "impression_id": (TEN, "BIGINT"), "viewer_id": (1, "BIGINT"), "post_id": (1, "BIGINT"),
    "feed_position": (1, "SMALLINT"), "surface": ("feed", "STRING"), "ranker_model_id": (1, "BIGINT"),
    "predicted_score": (0.5, "DOUBLE"), "device_id": (None, "BIGINT"),
    "impression_ts": (at("10:00"), "TIMESTAMP"),
}  # fmt: skip


def columnar(spark: SparkSession, **columns: Any) -> DataFrame:
    """An impression as a Parquet row, with some columns replaced: name -> (value, type); `...` leaves a column out."""
    given_columns = {k: v for k, v in (PARQUET | columns).items() if v is not ...}
    schema = ", ".join(f"{name} {type_}" for name, (_, type_) in given_columns.items())
    row = spark.createDataFrame([tuple(value for value, _ in given_columns.values())], schema)
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
        ({"viewer_id": (Decimal(2**63 - 1), "DECIMAL(38,0)"), "post_id": (Decimal(7), "DECIMAL(20,0)")}, set()),
        ({"viewer_id": (Decimal(2**63), "DECIMAL(38,0)")}, {"wrong_type:viewer_id"}),
        ({"viewer_id": (Decimal("7.00"), "DECIMAL(38,2)")}, {"wrong_type:viewer_id"}),
        ({"surface": (bytearray(b"feed"), "BINARY")}, set()),
        ({"surface": (bytearray(b"fe\xe9d"), "BINARY")}, {"wrong_type:surface"}),
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
        ({"impression_id": (minted(LATEST), "BIGINT"), "impression_ts": (LATEST + TICK, "TIMESTAMP")},
         {"in_future"}),
    ],
)  # fmt: skip
def test_a_parquet_row_is_judged_like_a_line_of_text(
    spark: SparkSession, columns: dict[str, Any], wanted: set[str]
) -> None:
    """A whole number of any width is an integer, and every number is a decimal; text is neither."""
    assert judge(columnar(spark, **columns), IMPRESSIONS) == [(bool(wanted), wanted)]


def test_the_raw_json_of_a_parquet_row_keeps_microseconds(spark: SparkSession) -> None:
    """So a quarantined record can be landed again without loss."""
    row = columnar(spark, impression_ts=(at("10:00:00.123456"), "TIMESTAMP"), surface=("tv", "STRING"))

    raw = json.loads(row.select("raw").collect()[0][0])

    assert datetime.fromisoformat(raw["impression_ts"]) == at("10:00:00.123456")
    assert raw["surface"] == "tv"
