"""Which ads records are quarantined. Rules that all events share are tested in test_records."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.rows import at, lines, record

from etl import catalog, conf
from etl.conf.subjects import Ads
from etl.engine.landing.faults import is_bad, reasons
from etl.engine.landing.records import enrich, parse_columns, parse_text
from etl.model.contract import Event
from etl.subjects.ads.events import AD_CLICKS, AD_IMPRESSIONS, ADS, ADVERTISERS, CONVERSIONS, EVENTS, SPEND_LEDGER

CONF = conf.load("local")
ZONE: dict[str, Any] = {"time_zone": "Europe/Berlin"}
SHOP: dict[str, Any] = {"advertiser_id": 5}
PLAIN = {"advertisers": ZONE, "conversions": SHOP}
DAY = timedelta(days=1)

CASES: dict[str, tuple[Event, dict[str, Any], set[str]]] = {
    **{f"plain {e.name}": (e, PLAIN.get(e.name, {}), set()) for e in EVENTS},
    "experiments of an impression": (AD_IMPRESSIONS, {"experiment_ids": [1, 2]}, set()),
    "experiment ids that are text": (
        AD_IMPRESSIONS, {"experiment_ids": ["a"]}, {"wrong_type:experiment_ids"}),
    "text instead of a flag": (AD_IMPRESSIONS, {"is_valid": "yes"}, {"wrong_type:is_valid"}),
    "a click without a session": (AD_CLICKS, {"session_id": ...}, {"missing:session_id"}),
    "a click of a week ago": (AD_CLICKS, {"click_ts": at("10:00") - 7 * DAY}, set()),
    "a click of more than a week ago": (AD_CLICKS, {"click_ts": at("09:59:59") - 7 * DAY}, {"too_late"}),
    "a conversion reported weeks later": (
        CONVERSIONS, SHOP | {"conversion_ts": at("10:00") - 23 * DAY, "user_id": ..., "value_usd": ...}, set()),
    "a conversion whose clicks may be deleted already": (
        CONVERSIONS, SHOP | {"conversion_ts": at("09:59:59") - 23 * DAY}, {"too_late"}),
    "a conversion reported before it happened": (
        CONVERSIONS, SHOP | {"received_ts": at("09:59:59.999")}, {"out_of_range:received_ts"}),
    "an amount with cents": (CONVERSIONS, SHOP | {"value_usd": 1234567.89}, set()),
    "a conversion of nobody knows which advertiser": (CONVERSIONS, {}, {"missing:advertiser_id"}),
    "a conversion with every field": (
        CONVERSIONS, SHOP | {"event_name": "sign_up", "source": "server", "dedup_key": "A", "sdk_version": "4"}, set()),
    "a conversion of an unknown source": (CONVERSIONS, SHOP | {"source": "fax"}, {"out_of_set:source"}),
    "an amount with a fraction of a cent": (
        CONVERSIONS, SHOP | {"value_usd": 0.005}, {"fraction_of_a_cent:value_usd"}),
    "the largest amount": (SPEND_LEDGER, {"billed_usd": 9_999_999_999.99}, set()),
    "more than the largest amount": (SPEND_LEDGER, {"billed_usd": 10**10}, {"out_of_range:billed_usd"}),
    "an invoice without a streaming counter": (SPEND_LEDGER, {"streaming_usd": None}, set()),
    **{
        f"the day {day!r}": (SPEND_LEDGER, {"day": day}, {"wrong_type:day"})
        for day in ("2026-06", "2026", "20260601", 20260601, 20605, "2026-06-01 to 2026-06-30", "2026-06-01T00:00:00Z",
                    "2026-06-01 ", " 2026-06-01", "2026-06-01\n", "2026-6-1", "2026-02-30", "12026-06-01", "", "today",
                    "-2026-06-01", "01/06/2026", {"y": 2026}, ["2026-06-01"], True)
    },
    "an invoice for a day within the limit ahead": (SPEND_LEDGER, {"day": "2026-07-02"}, set()),
    "an invoice for a day too far ahead": (SPEND_LEDGER, {"day": "2026-07-03"}, {"out_of_range:day"}),
    "an invoice with a mistyped year": (SPEND_LEDGER, {"day": "2062-06-01"}, {"out_of_range:day"}),
    "an invoice for the largest date": (SPEND_LEDGER, {"day": "9999-12-31"}, {"out_of_range:day"}),
    "an invoice for the smallest date": (SPEND_LEDGER, {"day": "0001-01-01"}, {"out_of_range:day"}),
    "an old invoice": (SPEND_LEDGER, {"day": "1970-01-01"}, set()),
    "an ad at the smallest time": (ADS, {"effective_ts": "0001-01-01T00:00:00Z"}, {"out_of_range:effective_ts"}),
    "experiment ids with fractions": (AD_IMPRESSIONS, {"experiment_ids": [1.9]}, {"wrong_type:experiment_ids"}),
    "experiment ids, one of them text": (
        AD_IMPRESSIONS, {"experiment_ids": ["exp_a", "12"]}, {"wrong_type:experiment_ids"}),
    "experiment ids as objects": (AD_IMPRESSIONS, {"experiment_ids": [{"id": 1}]}, {"wrong_type:experiment_ids"}),
    "experiment ids of more than 64 bits": (AD_IMPRESSIONS, {"experiment_ids": [2**63]}, {"wrong_type:experiment_ids"}),
    "experiment ids in nested lists": (AD_IMPRESSIONS, {"experiment_ids": [[1]]}, {"wrong_type:experiment_ids"}),
    "one experiment id instead of a list": (AD_IMPRESSIONS, {"experiment_ids": 1}, {"wrong_type:experiment_ids"}),
    "an empty list of experiments": (AD_IMPRESSIONS, {"experiment_ids": []}, set()),
    "text instead of a day": (SPEND_LEDGER, {"day": "soon"}, {"wrong_type:day"}),
    "an unknown time zone": (ADVERTISERS, {"time_zone": "Europe/Atlantis"}, {"unknown:time_zone"}),
    "an offset instead of a time zone": (ADVERTISERS, {"time_zone": "+02:00"}, {"unknown:time_zone"}),
    "an empty time zone": (ADVERTISERS, {"time_zone": ""}, {"unknown:time_zone"}),
    "a time zone and a line break": (ADVERTISERS, {"time_zone": "UTC\n"}, {"unknown:time_zone"}),
    "a time zone and a separator": (ADVERTISERS, {"time_zone": "Europe/Berlin\u2028"}, {"unknown:time_zone"}),
    "the time zone UTC": (ADVERTISERS, {"time_zone": "UTC"}, set()),
    "a window above the maximum": (ADVERTISERS, {**ZONE, "click_window_days": 29}, {"out_of_range:click_window_days"}),
    "a delete of an advertiser without its fields": (
        ADVERTISERS, {"op": "delete", "time_zone": ..., "click_window_days": ..., "view_window_days": ...}, set()),
    "a retire of an ad": (ADS, {"op": "retire"}, {"out_of_set:op"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, set[str]]:
    """The quarantine reasons of every case, computed in one job per event."""
    found: dict[str, set[str]] = {}
    for event in EVENTS:
        cases = {name: json.dumps(record(e, **given)) for name, (e, given, _) in CASES.items() if e is event}
        parsed = enrich(parse_text(lines(spark, cases.values()), event), event, CONF)
        why = parsed.select(F.when(is_bad(event, CONF), reasons(event, CONF)).alias("why")).collect()
        found |= dict(zip(cases, [set(r.why or ()) for r in why], strict=True))
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_record_has_exactly_these_quarantine_reasons(found: dict[str, set[str]], case: str) -> None:
    assert found[case] == CASES[case][2]


def test_conf_may_allow_conversions_without_an_advertiser(spark: SparkSession) -> None:
    """`ads.legacy_attribution` keeps the old rule. Other faults are found as before."""
    legacy = CONF.model_copy(update={"ads": Ads(legacy_attribution="any_advertiser")})
    records = [record(CONVERSIONS), record(CONVERSIONS, value_usd=0.005)]
    parsed = parse_text(lines(spark, map(json.dumps, records)), CONVERSIONS)

    found = parsed.select(is_bad(CONVERSIONS, legacy).alias("bad"), reasons(CONVERSIONS, legacy).alias("why")).collect()

    assert [row.bad for row in found] == [False, True]
    assert found[1].why == ["fraction_of_a_cent:value_usd"]


@pytest.mark.parametrize("event", [e for e in catalog.landing_events() if e.required_unless], ids=lambda e: e.name)
def test_a_field_that_conf_may_allow_to_be_missing_is_nullable_and_its_key_is_a_key_of_conf(event: Event) -> None:
    for name, key in event.required_unless:
        section, _, setting = key.partition(".")
        assert next(f for f in event.fields if f.name == name).nullable
        assert setting in getattr(CONF, section).model_dump()


def test_flags_days_and_lists_are_also_read_from_parquet(spark: SparkSession) -> None:
    landed = {"source_file": F.lit("a.parquet"), "landed_hour": F.lit(at("10:00"))}
    shown = spark.createDataFrame([(True, [7])], "is_valid BOOLEAN, experiment_ids ARRAY<BIGINT>").withColumns(landed)
    billed = spark.createDataFrame([(date(2026, 6, 1),)], "day DATE").withColumns(landed)

    made = parse_columns(shown, AD_IMPRESSIONS).collect()[0]

    assert (made.is_valid, made.experiment_ids) == (True, [7])
    assert parse_columns(billed, SPEND_LEDGER).collect()[0].day == date(2026, 6, 1)
