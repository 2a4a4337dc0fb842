"""Another run publishes while one is at work, between what it has looked at and what it reads."""

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
from etl.engine.jobs import insertjob, runner
from etl.engine.jobs.runner import Summary
from etl.engine.landing import reader as landing
from etl.engine.state import ledger
from etl.engine.state.ledger import Ledger


def run(spark: SparkSession, settings: Settings, hour: int) -> Summary:
    """One landed hour."""
    start = START.replace(hour=hour)
    summary = runner.run(spark, settings, start, start + timedelta(hours=1), shares.TABLES)
    assert not summary.errors, summary.errors
    return summary


def once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, harm: Callable[[], object]) -> None:
    """Do something, in a thread of its own, right before the first call of a function; none that it makes counts."""
    left = [harm]

    def apart() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(left.pop()).result()

    fault(monkeypatch, owner, name, lambda: apart() if left else None)


def test_an_hour_that_another_run_adds_to_meanwhile_has_a_true_checksum(
    spark: SparkSession, fed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both add a share to hour 8; the one that looked first goes by what the other has left."""
    shares.land(fed, 2, hour=9)
    shares.land(fed, 3, hour=10)
    once(monkeypatch, insertjob, "_insert", lambda: run(spark, fed, 10))
    run(spark, fed, 9)
    assert shares.losses(spark, fed) == []


@pytest.mark.slow
def test_files_that_landed_after_a_run_listed_them_are_not_lost_again(
    spark: SparkSession, fed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs of one hour: the first listed one file, the second has published two."""
    shares.land(fed, 2)

    def other() -> None:
        shares.land(fed, 3)
        run(spark, fed, 10)

    once(monkeypatch, landing, "read", other)
    assert [e.table_name for e in run(spark, fed, 10).entries] == []
    assert shares.losses(spark, fed) == []


@pytest.mark.slow
def test_a_publish_of_a_killed_run_is_found_when_another_recorded_a_newer_one(
    spark: SparkSession, fed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hour is another one, so neither is in the other's way."""
    shares.land(fed, 2, hour=9, shared=9)
    shares.land(fed, 3, hour=10)

    def killed() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(Ledger, "flush", lambda _: None)
            run(spark, fed, 9)

    once(monkeypatch, insertjob, "_insert", killed)
    run(spark, fed, 10)
    assert shares.losses(spark, fed) == []


def test_a_clock_that_is_set_back_changes_no_order(
    spark: SparkSession, fed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is published last counts last, also when its time is of a day before."""

    class Clock(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, datetime)

    class Yesterday(datetime, metaclass=Clock):
        @classmethod
        def now(cls, tz: Any = UTC) -> Any:
            return datetime.now(tz) - timedelta(days=1)

    shares.land(fed, 2)
    with monkeypatch.context() as patched:
        patched.setattr(ledger, "datetime", Yesterday)
        assert len(run(spark, fed, 10).entries) == 2
    assert shares.losses(spark, fed) == []
    shares.land(fed, 3)
    assert shares.losses(spark, fed) == []
