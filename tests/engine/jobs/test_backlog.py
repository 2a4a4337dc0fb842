"""Many hours wait and one always fails: the rest is made in the order of classes, and the recovery list has the one."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from soak import shares
from support import toy_rollups
from support.rows import at

from etl.conf import Settings
from etl.engine.jobs import runner
from etl.engine.jobs.runner import Choice
from etl.engine.jobs.summary import Summary
from etl.engine.state import recovery_list
from etl.errors import GateFailed

BAD = 1
"""The hour whose file is broken."""


def land(settings: Settings, hours: int) -> Path:
    """Land a share in each hour from midnight; the file of hour BAD ends in the middle. Returns this file."""
    for hour in range(hours):
        shares.land(settings, hour + 1, hour=hour, shared=hour)
    file = Path(settings.landing) / "shares" / f"hour=2026-06-01T{BAD:02}" / f"{BAD + 1}.jsonl"
    broken = file.with_suffix(".jsonl.gz")
    broken.write_bytes(gzip.compress(file.read_bytes())[:-10])
    file.unlink()
    return broken


def made(summary: Summary, table: str) -> list[datetime]:
    """The hours that a run made of a table, in the order in which it made them."""
    return [h for e in summary.entries if e.table_name == table and e.verdict == "passed" for h in e.processed_hours]


@pytest.mark.slow
@pytest.mark.parametrize("hours", [3, 20])
def test_an_hour_that_always_fails_holds_up_only_what_reads_it(
    spark: SparkSession, settings: Settings, hours: int
) -> None:
    settings = settings.model_copy(update={"backlog": settings.backlog.model_copy(update={"ordered_above": 2})})
    broken = land(settings, hours)
    interval = at("00:00"), at(f"{hours:02}:00")
    choice = Choice(toy_rollups.TABLES, skip_failed=True)
    good = [at(f"{hour:02}:00") for hour in range(hours) if hour != BAD]

    def run(each_alone: bool = True) -> Summary:
        return runner.run_chosen(spark, settings, interval, choice, each_alone=each_alone)

    with toy_rollups.registered():
        first = run()
        assert first.is_backlog
        assert isinstance(first.errors["bronze_shares"], GateFailed)
        # Oldest first; newest first where the contract says `serving`; billing before the other rollup.
        assert made(first, "bronze_shares") == made(first, "fct_shares") == made(first, "agg_billed_shares") == good
        assert made(first, "agg_served_shares") == good[::-1]
        starts = {name: [e.started_at for e in first.entries if e.table_name == name] for name in toy_rollups.TABLES}
        assert max(starts["agg_billed_shares"]) < min(starts["agg_served_shares"])

        assert [run().errors.keys() for _ in range(2)] == [{"bronze_shares"}] * 2
        fourth = run()
        assert (fourth.errors, fourth.entries) == ({}, [])
        assert fourth.held == {"bronze_shares": [at(f"{BAD:02}:00")]}

        again = runner.recover_hours(spark, settings)
        assert again and again.errors.keys() == {"bronze_shares"}
        (failed,) = recovery_list.flat(recovery_list.still_due(runner.open_context(spark, settings).ledger))
        assert (failed.table, failed.hour, len(failed.runs)) == ("bronze_shares", at(f"{BAD:02}:00"), 4)

        broken.unlink()
        shares.land(settings, BAD + 1, hour=BAD, shared=BAD)
        repaired = runner.recover_hours(spark, settings)
        assert repaired and not repaired.errors
        assert {e.table_name for e in repaired.entries} >= set(toy_rollups.TABLES)
        assert runner.recover_hours(spark, settings) is None
