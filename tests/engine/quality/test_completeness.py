"""A landed hour is late by the history of its own event; nothing else counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from soak import shares
from support.local_lake import START
from support.rows import at

from etl import conf
from etl.conf import Settings
from etl.conf.sections import Completeness, EventCompleteness
from etl.engine.jobs import runner
from etl.engine.landing.arrivals import EMPTY
from etl.engine.quality import completeness
from etl.engine.quality.completeness import FEW_RECORDS, NO_FILES, NO_FOLDER, NO_RECORDS, LandedHour
from etl.engine.spark.files import absolute
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.errors import ConfigError

HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
RULES = Completeness()
FIRST = at("00:00")


def landed(records: Sequence[int], first: datetime = FIRST, files: int = 2) -> list[LandedHour]:
    """Consecutive hours with these numbers of records; an hour without records has no file."""
    return [LandedHour(first + i * HOUR, files if n else 0, n) for i, n in enumerate(records)]


def late(records: Sequence[int], rules: Completeness = RULES, event: str = "shares") -> list[int]:
    """The indexes of the hours that are late when they are judged in order."""
    judged = completeness.judge(rules, event, {}, landed(records))
    return [i for i, each in enumerate(judged) if each.late]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([100] * 3 + [0], [3], id="no records after three hours with records"),
        pytest.param([100] * 2 + [0], [], id="too few hours are known"),
        pytest.param([100] * 6 + [9, 10], [6], id="just below and just at the limit"),
        pytest.param([1] * 8 + [0, 0, 1], [8, 9], id="an event of one record an hour"),
        pytest.param([100] * 30 + [0] * 40, list(range(30, 70)), id="an outage does not become usual"),
        pytest.param([100, *[0] * 40], [], id="a change log without records in most hours"),
        pytest.param([3, 5, 0, 2, 4, 0, 3, 3, 0, 0, 2], [], id="an event that is silent from time to time"),
        pytest.param([900, 3, 5, 0, 2, 0, 4, 0, 2, 0, 0, 1, 0], [3, 5, 7], id="a change log after its first load"),
        pytest.param([0] * 50 + [100] * 6 + [0], [56], id="hours before the first record are ignored"),
        pytest.param([5] * 30 + [1] * 5, [], id="few records may be chance"),
        pytest.param(([5] * 9 + [0]) * 6, [9, 19, 29], id="an event that becomes known as often silent"),
    ],
)
def test_an_hour_is_judged_by_the_hours_before_it(records: list[int], expected: list[int]) -> None:
    """At least three hours must be known. After three silent spells that ended, silence is usual."""
    assert late(records) == expected


def test_runs_of_one_hour_judge_like_one_run_of_all_hours() -> None:
    found = landed([100] * 8 + [0, 5, 100, 0])
    known: dict[datetime, LandedHour] = {}
    for each in found:
        known |= {h.hour: h for h in completeness.judge(RULES, "shares", known, [each])}

    assert list(known.values()) == completeness.judge(RULES, "shares", {}, found)


def test_the_same_hour_of_the_week_counts_when_three_weeks_are_known() -> None:
    """Files land on weekdays at 06:00: no hour of a weekend is late, but a Monday without files is."""
    weeks = [1000 if h % 24 == 6 and h // 24 % 7 < 5 else 0 for h in range(4 * 168)]
    monday = len(weeks) - 168

    assert late(weeks) == []
    assert late([*weeks[: monday + 6], 0]) == [monday + 6]


def test_an_outage_of_one_week_is_not_usual_a_week_later() -> None:
    steady = [200] * (3 * 168)
    assert late([*steady, *[0] * 24, *[200] * 144, 0]) == [*range(504, 528), 672]


@pytest.mark.parametrize(
    ("rule", "records", "expected"),
    [
        ({"expected": "always"}, [0, 5, 0], [0, 2]),
        ({"expected": "none"}, [100] * 20 + [0], []),
        ({"min_share": 0.5}, [100] * 10 + [49, 50], [10]),
        ({"min_share": 0}, [100] * 10 + [0], []),
    ],
)
def test_an_event_may_have_its_own_rule(rule: dict[str, object], records: list[int], expected: list[int]) -> None:
    rules = Completeness(events={"shares": EventCompleteness.model_validate(rule)})
    assert late(records, rules) == expected
    assert late(records, rules, "posts") == late(records)


def test_the_newest_published_run_of_an_hour_decides() -> None:
    """When files arrive and the hour is processed again, it is no longer late. A failed run does not count."""
    silent = LandedHour(FIRST, 0, 0, 100, NO_FILES)
    entries = [ran(silent), ran(LandedHour(FIRST + HOUR, 0, 0, 100, NO_FILES), verdict="failed")]

    assert completeness.late_hours(entries) == [silent]
    assert completeness.late_hours([*entries, ran(LandedHour(FIRST, 1, 99, 100))]) == []


def ran(*found: LandedHour, **given: object) -> Entry:
    """A run that read these hours."""
    entry = Entry("run", "bronze_shares", FIRST, landed=completeness.as_rows(found))
    for name, value in given.items():
        setattr(entry, name, value)
    return entry


def test_runs_of_an_older_release_count_when_they_processed_one_hour() -> None:
    """Their ledger rows have no numbers by hour, only totals."""
    one = ran(fingerprints={FIRST.isoformat(): "a"}, records_read=70)
    two = ran(fingerprints={FIRST.isoformat(): "a", (FIRST + HOUR).isoformat(): "b"}, records_read=70)

    assert completeness.history([one]) == {FIRST: LandedHour(FIRST, 1, 70)}
    assert completeness.history([two]) == {}
    silent = {FIRST.isoformat(): EMPTY}
    assert completeness.history([ran(fingerprints=silent)]) == {FIRST: LandedHour(FIRST, 0, 0)}
    assert completeness.history([ran(fingerprints={FIRST.isoformat(): "a"})]) == {}


def test_a_rule_of_an_unknown_event_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_ETL_COMPLETENESS", json.dumps({"events": {"clicks": {"expected": "always"}}}))
    with pytest.raises(ConfigError, match=r"completeness.*no event 'clicks'.*ad_clicks"):
        conf.load("local")


def test_late_hours_are_published_and_listed_until_their_files_arrive(spark: SparkSession, settings: Settings) -> None:
    """Eight hours have one share each; then come no folder, no file, an empty file and a whole file.

    With severity `critical` a late hour fails its audit.
    """
    for hour in (*range(8), 11):
        shares.land(settings, hour + 1, hour, shared=hour)
    folders = [Path(settings.landing) / "shares" / f"hour=2026-06-01T{hour:02}" for hour in range(12)]
    folders[9].mkdir()
    folders[10].mkdir()
    (folders[10] / "empty.jsonl").write_text("")
    midnight = START.replace(hour=0)

    summary = runner.run(spark, settings, midnight, midnight + 12 * HOUR, tables=["bronze_shares"])

    assert not summary.errors
    assert {each.hour.hour: each.late for each in known(spark, settings)} == {8: NO_FOLDER, 9: NO_FILES, 10: NO_RECORDS}
    (entry,) = summary.entries
    assert entry.verdict == "passed"
    failures = [(f["rule"], f["severity"], f["reason"]) for f in json.loads(entry.failures)]
    assert failures[0] == (
        "hour_is_complete",
        "warning",
        "Hour 2026-06-01T08 is late: it has no folder in the landing zone; about 1 records are usual.",
    )
    assert ["holds no file" in failures[1][2], "(1) hold no record" in failures[2][2]] == [True, True]

    shares.land(settings, 9, 8, shared=8)
    strict = settings.completeness.model_copy(update={"severity": "critical"})
    again = runner.run(spark, settings, midnight, midnight + 12 * HOUR, tables=["bronze_shares"])
    rejected = runner.run(
        spark, settings.model_copy(update={"completeness": strict}),
        midnight + 12 * HOUR, midnight + 13 * HOUR, tables=["bronze_shares"],
    )  # fmt: skip

    assert [each.hour.hour for each in known(spark, settings)] == [9, 10]
    assert not again.errors
    assert "Hour 2026-06-01T12 is late" in str(rejected.errors["bronze_shares"])
    assert FEW_RECORDS not in {each.late for each in known(spark, settings)}


def known(spark: SparkSession, settings: Settings) -> list[LandedHour]:
    """The late hours in the ledger on disk."""
    return completeness.late_hours(Ledger.existing(spark, absolute(settings.lake)).entries)
