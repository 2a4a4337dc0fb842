"""Several processes on one lake of a local disk, whose rename is not a lock: only one commits to a table at a time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl import conf
from etl.engine.delta import tables as delta
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.errors import ConflictError

HOLDING = """import sys
from etl.engine.delta import tables as delta
with delta.commit_lock(sys.argv[1]): print("in", flush=True); input()
"""
SOON = 1.5  # seconds


@contextmanager
def committing(uri: str) -> Iterator[subprocess.Popen[str]]:
    """Another process in the middle of a commit to a table."""
    command = [sys.executable, "-c", HOLDING, uri]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "in\n"
        yield other
        other.kill()


def test_a_commit_waits_for_another_process_but_not_for_a_killed_one(spark: SparkSession, tmp_path: Path) -> None:
    """The example is the ledger, which every task of a scheduler writes."""
    ledger = Ledger(spark, tmp_path.as_uri())
    ledger.append(Entry("run", "fct_shares", datetime.now(UTC)))
    with committing(ledger.uri) as other, ThreadPoolExecutor(1) as pool:
        flushed = pool.submit(ledger.flush)
        with pytest.raises(TimeoutError):
            flushed.result(SOON)
        assert delta.read(spark, ledger.uri).count() == 0
        other.kill()
        flushed.result()
    assert [entry.run_id for entry in Ledger(spark, tmp_path.as_uri()).entries] == ["run"]


def test_a_lock_that_is_held_too_long_is_an_error_with_the_process_id(tmp_path: Path) -> None:
    uri = (tmp_path / "one").as_uri()
    with committing(uri) as other:
        words = rf"one\.commit-lock has been locked for 0\.01 minutes by process {other.pid} \(python.*run again\.$"
        with pytest.raises(ConflictError, match=words), delta.commit_lock(uri, 0.01):
            pass
    with delta.commit_lock(uri, 0.01):
        pass


def test_the_maximum_wait_for_a_lock_is_a_setting(spark: SparkSession) -> None:
    assert delta.lock_minutes(spark) == conf.load().lock_minutes


def test_a_commit_to_another_table_does_not_wait(tmp_path: Path) -> None:
    with committing((tmp_path / "one").as_uri()), delta.commit_lock((tmp_path / "other").as_uri()):
        pass
