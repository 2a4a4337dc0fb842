"""What is accepted of ads: what is said for all records in test_records, and the rules that only these have."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.rows import at, lines, record

from etl import conf
from etl.engine.landing.records import enrich, is_bad, parse_columns, parse_text, reasons
from etl.model.contract import Event
from etl.subjects.ads.events import AD_CLICKS, AD_IMPRESSIONS, ADS, ADVERTISERS, CONVERSIONS, EVENTS, SPEND_LEDGER

CONF = conf.load("local")
ZONE: dict[str, Any] = {"time_zone": "Europe/Berlin"}
DAY = timedelta(days=1)

CASES: dict[str, tuple[Event, dict[str, Any], set[str]]] = {
    **{f"plain {e.name}": (e, ZONE if e is ADVERTISERS else {}, set()) for e in EVENTS},
    "experiments of an impression": (AD_IMPRESSIONS, {"experiment_ids": [1, 2]}, set()),
    "experiments that are no numbers": (AD_IMPRESSIONS, {"experiment_ids": ["a"]}, {"wrong_type:experiment_ids"}),
    "text for a flag": (AD_IMPRESSIONS, {"is_valid": "yes"}, {"wrong_type:is_valid"}),
    "a click without session": (AD_CLICKS, {"session_id": ...}, {"missing:session_id"}),
    "a click of a week ago": (AD_CLICKS, {"click_ts": at("10:00") - 7 * DAY}, set()),
    "a click older than that": (AD_CLICKS, {"click_ts": at("09:59:59") - 7 * DAY}, {"too_late"}),
    "a conversion told of weeks later": (CONVERSIONS, {"conversion_ts": at("10:00") - 23 * DAY}, set()),
    "a conversion whose clicks may be gone": (
        CONVERSIONS, {"conversion_ts": at("09:59:59") - 23 * DAY}, {"too_late"}),
    "a conversion told of before it happened": (
        CONVERSIONS, {"received_ts": at("09:59:59.999")}, {"out_of_range:received_ts"}),
    "money to the cent": (CONVERSIONS, {"value_usd": 1234567.89}, set()),
    "a fraction of a cent": (CONVERSIONS, {"value_usd": 0.005}, {"fraction_of_a_cent:value_usd"}),
    "the most money there is": (SPEND_LEDGER, {"billed_usd": 9_999_999_999.99}, set()),
    "more than that": (SPEND_LEDGER, {"billed_usd": 10**10}, {"out_of_range:billed_usd"}),
    "an invoice without the counter": (SPEND_LEDGER, {"streaming_usd": None}, set()),
    **{
        f"the day {day!r}": (SPEND_LEDGER, {"day": day}, {"wrong_type:day"})
        for day in ("2026-06", "2026", "20260601", 20260601, 20605, "2026-06-01 to 2026-06-30", "2026-06-01T00:00:00Z",
                    "2026-06-01 ", " 2026-06-01", "2026-06-01\n", "2026-6-1", "2026-02-30", "12026-06-01", "", "today",
                    "-2026-06-01", "01/06/2026", {"y": 2026}, ["2026-06-01"], True)
    },
    "an invoice before its day": (SPEND_LEDGER, {"day": "2026-07-02"}, set()),
    "an invoice long before its day": (SPEND_LEDGER, {"day": "2026-07-03"}, {"out_of_range:day"}),
    "a mistyped year": (SPEND_LEDGER, {"day": "2062-06-01"}, {"out_of_range:day"}),
    "the last day of all": (SPEND_LEDGER, {"day": "9999-12-31"}, {"out_of_range:day"}),
    "the first day of all": (SPEND_LEDGER, {"day": "0001-01-01"}, {"out_of_range:day"}),
    "an old invoice": (SPEND_LEDGER, {"day": "1970-01-01"}, set()),
    "an ad of no time": (ADS, {"effective_ts": "0001-01-01T00:00:00Z"}, {"out_of_range:effective_ts"}),
    "experiments with fractions": (AD_IMPRESSIONS, {"experiment_ids": [1.9]}, {"wrong_type:experiment_ids"}),
    "experiments, one of them text": (
        AD_IMPRESSIONS, {"experiment_ids": ["exp_a", "12"]}, {"wrong_type:experiment_ids"}),
    "experiments as objects": (AD_IMPRESSIONS, {"experiment_ids": [{"id": 1}]}, {"wrong_type:experiment_ids"}),
    "experiments past 64 bits": (AD_IMPRESSIONS, {"experiment_ids": [2**63]}, {"wrong_type:experiment_ids"}),
    "experiments in lists": (AD_IMPRESSIONS, {"experiment_ids": [[1]]}, {"wrong_type:experiment_ids"}),
    "an experiment, not a list": (AD_IMPRESSIONS, {"experiment_ids": 1}, {"wrong_type:experiment_ids"}),
    "no experiments": (AD_IMPRESSIONS, {"experiment_ids": []}, set()),
    "a day that is none": (SPEND_LEDGER, {"day": "soon"}, {"wrong_type:day"}),
    "a time zone nobody has": (ADVERTISERS, {"time_zone": "Europe/Atlantis"}, {"unknown:time_zone"}),
    "an offset for a time zone": (ADVERTISERS, {"time_zone": "+02:00"}, {"unknown:time_zone"}),
    "no time zone": (ADVERTISERS, {"time_zone": ""}, {"unknown:time_zone"}),
    "UTC": (ADVERTISERS, {"time_zone": "UTC"}, set()),
    "a window longer than any": (ADVERTISERS, {**ZONE, "click_window_days": 8}, {"out_of_range:click_window_days"}),
    "an advertiser that ends": (
        ADVERTISERS, {"op": "delete", "time_zone": ..., "click_window_days": ..., "view_window_days": ...}, set()),
    "an ad that retires": (ADS, {"op": "retire"}, {"out_of_set:op"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, set[str]]:
    """The reasons of every case, judged in one job per event."""
    judged: dict[str, set[str]] = {}
    for event in EVENTS:
        mine = {name: json.dumps(record(e, **given)) for name, (e, given, _) in CASES.items() if e is event}
        parsed = enrich(parse_text(lines(spark, mine.values()), event), event, CONF)
        why = parsed.select(F.when(is_bad(event, CONF), reasons(event, CONF)).alias("why")).collect()
        judged |= dict(zip(mine, [set(r.why or ()) for r in why], strict=True))
    return judged


@pytest.mark.parametrize("case", CASES)
def test_a_record_is_judged_with_all_its_reasons(found: dict[str, set[str]], case: str) -> None:
    assert found[case] == CASES[case][2]


def test_flags_days_and_lists_are_read_from_parquet_too(spark: SparkSession) -> None:
    landed = {"source_file": F.lit("a.parquet"), "landed_hour": F.lit(at("10:00"))}
    shown = spark.createDataFrame([(True, [7])], "is_valid BOOLEAN, experiment_ids ARRAY<BIGINT>").withColumns(landed)
    billed = spark.createDataFrame([(date(2026, 6, 1),)], "day DATE").withColumns(landed)

    made = parse_columns(shown, AD_IMPRESSIONS).collect()[0]

    assert (made.is_valid, made.experiment_ids) == (True, [7])
    assert parse_columns(billed, SPEND_LEDGER).collect()[0].day == date(2026, 6, 1)
