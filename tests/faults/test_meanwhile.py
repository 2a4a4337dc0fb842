"""Another run publishes while a run is active, between its planning and its reading."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from faults.test_files import fault
from pyspark.sql import SparkSession
from soak import shares
from support.local_lake import START

from etl.conf import Settings
from etl.engine.jobs import insert, runner
from etl.engine.jobs.summary import Summary
from etl.engine.landing import reader as landing
from etl.engine.state import ledger
from etl.engine.state.ledger import Ledger


def run(spark: SparkSession, settings: Settings, hour: int) -> Summary:
    """Run one landed hour."""
    start = START.replace(hour=hour)
    summary = runner.run(spark, settings, start, start + timedelta(hours=1), shares.TABLES)
    assert not summary.errors, summary.errors
    return summary


def once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, harm: Callable[[], object]) -> None:
    """Call `harm` in another thread, right before the first call of a function. Calls by `harm` do not count."""
    left = [harm]

    def in_thread() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(left.pop()).result()

    fault(monkeypatch, owner, name, lambda: in_thread() if left else None)


def test_an_hour_that_another_run_changes_at_the_same_time_has_the_right_checksum(
    spark: SparkSession, lake_with_share: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both runs add a share to hour 8. The first run uses the state that the other run has published."""
    shares.land(lake_with_share, 2, hour=9)
    shares.land(lake_with_share, 3, hour=10)
    once(monkeypatch, insert, "_insert", lambda: run(spark, lake_with_share, 10))
    run(spark, lake_with_share, 9)
    assert shares.losses(spark, lake_with_share) == []


@pytest.mark.slow
def test_files_that_land_after_a_run_listed_files_are_not_lost(
    spark: SparkSession, lake_with_share: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs of one hour: the first has listed one file, the second has published two."""
    shares.land(lake_with_share, 2)

    def other() -> None:
        shares.land(lake_with_share, 3)
        run(spark, lake_with_share, 10)

    once(monkeypatch, landing, "read", other)
    assert [e.table_name for e in run(spark, lake_with_share, 10).entries] == []
    assert shares.losses(spark, lake_with_share) == []


@pytest.mark.slow
def test_a_publish_of_a_killed_run_is_found_after_another_run_recorded_a_newer_one(
    spark: SparkSession, lake_with_share: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two runs write different hours, so they do not conflict."""
    shares.land(lake_with_share, 2, hour=9, shared=9)
    shares.land(lake_with_share, 3, hour=10)

    def killed() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(Ledger, "flush", lambda _: None)
            run(spark, lake_with_share, 9)

    once(monkeypatch, insert, "_insert", killed)
    run(spark, lake_with_share, 10)
    assert shares.losses(spark, lake_with_share) == []


def test_a_clock_that_is_set_back_does_not_change_the_order(
    spark: SparkSession, lake_with_share: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last publish counts as last, even if its timestamp is one day earlier."""

    class Clock(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, datetime)

    class Yesterday(datetime, metaclass=Clock):
        @classmethod
        def now(cls, tz: Any = UTC) -> Any:
            return datetime.now(tz) - timedelta(days=1)

    shares.land(lake_with_share, 2)
    with monkeypatch.context() as patched:
        patched.setattr(ledger, "datetime", Yesterday)
        assert len(run(spark, lake_with_share, 10).entries) == 2
    assert shares.losses(spark, lake_with_share) == []
    shares.land(lake_with_share, 3)
    assert shares.losses(spark, lake_with_share) == []
