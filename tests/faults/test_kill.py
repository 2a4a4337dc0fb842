"""SIGKILL of the real command and its JVM at every named step; then it is run again, and it is as if never killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults.conftest import TABLES, State, state
from pyspark.sql import SparkSession
from support.lakes import uri
from support.local_lake import END, START

from etl import conf
from etl.conf import Settings
from etl.engine.delta import staged
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner

DYING = Path(__file__).with_name("dying.py")
IN_EVERY_RUN = [("published", "bronze_shares")]
ALL = [
    (step, table)
    for step in ("staged", "judged", "publishing", "published", "recorded", "ledger written")
    for table in TABLES
    if (step, table) not in IN_EVERY_RUN
]


def run_until(step: str, table: str, settings: Settings) -> int:
    """Run the two tables in a process of its own; returns how it ended."""
    words = ["--lake", settings.lake, "--landing", settings.landing, "run"]
    words += ["--from", "2026-06-01T08", "--to", "2026-06-01T11"]
    words += [word for name in TABLES for word in ("--table", name)]
    command = [sys.executable, str(DYING), step, table, *words]
    place = {**os.environ, "PYTHONPATH": str(conf.home())}
    return subprocess.run(command, env=place, start_new_session=True, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("step", "table"), [*IN_EVERY_RUN, *[pytest.param(*each, marks=pytest.mark.slow) for each in ALL]]
)
def test_killed_at_a_step_and_run_again_equals_never_killed(
    spark: SparkSession, late: Settings, unharmed: State, step: str, table: str
) -> None:
    """Rows and ledger; and then there is nothing left to do."""
    assert run_until(step, table, late) == -9
    assert not runner.run(spark, late, START, END, tables=TABLES).errors
    assert state(spark, late) == unharmed
    assert runner.run(spark, late, START, END, tables=TABLES).entries == []


@pytest.mark.slow
def test_the_next_run_removes_the_temporary_files_of_a_killed_one_and_what_it_staged(
    spark: SparkSession, late: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "scratch"
    monkeypatch.setenv("FEED_ETL_SCRATCH", str(base))
    assert run_until("judged", "fct_shares", late) == -9
    assert list(base.rglob("blockmgr-*"))
    there = late.model_copy(update={"scratch": str(base)})
    table = Path(late.lake) / "facts" / "fct_shares"
    before = set(table.rglob("*.parquet"))
    assert staged.remove_dead(spark, there) > 0
    live = {row["path"].rsplit("/", 1)[-1] for row in delta.live_files(spark, uri(late, "fct_shares")).collect()}
    assert {f.name for f in table.glob("share_hour=*/*.parquet")} == live < {f.name for f in before}
    assert not list(base.iterdir())
