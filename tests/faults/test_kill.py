"""SIGKILL of the real command and its JVM at every named step. The next run gives the usual result."""

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
    for step in ("staged", "audited", "publishing", "published", "recorded", "ledger written")
    for table in TABLES
    if (step, table) not in IN_EVERY_RUN
]


def run_until(step: str, table: str, settings: Settings) -> int:
    """Run the two tables in a separate process. Returns its exit code."""
    words = ["--lake", settings.lake, "--landing", settings.landing, "run"]
    words += ["--from", "2026-06-01T08", "--to", "2026-06-01T11"]
    words += [word for name in TABLES for word in ("--table", name)]
    command = [sys.executable, str(DYING), step, table, *words]
    variables = {**os.environ, "PYTHONPATH": str(conf.home())}
    return subprocess.run(command, env=variables, start_new_session=True, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("step", "table"), [*IN_EVERY_RUN, *[pytest.param(*each, marks=pytest.mark.slow) for each in ALL]]
)
def test_a_run_after_a_kill_gives_the_result_without_a_kill(
    spark: SparkSession, late: Settings, unharmed: State, step: str, table: str
) -> None:
    """Rows and ledger state are equal, and a further run has nothing to do."""
    assert run_until(step, table, late) == -9
    assert not runner.run(spark, late, START, END, tables=TABLES).errors
    assert state(spark, late) == unharmed
    assert runner.run(spark, late, START, END, tables=TABLES).entries == []


@pytest.mark.slow
def test_the_next_run_removes_temporary_and_staged_files_of_a_killed_run(
    spark: SparkSession, late: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "scratch"
    monkeypatch.setenv("FEED_ETL_SCRATCH", str(base))
    assert run_until("audited", "fct_shares", late) == -9
    assert list(base.rglob("blockmgr-*"))
    with_scratch = late.model_copy(update={"scratch": str(base)})
    table = Path(late.lake) / "facts" / "fct_shares"
    before = set(table.rglob("*.parquet"))
    assert staged.remove_dead(spark, with_scratch) > 0
    live = {row["path"].rsplit("/", 1)[-1] for row in delta.live_files(spark, uri(late, "fct_shares")).collect()}
    assert {f.name for f in table.glob("share_hour=*/*.parquet")} == live < {f.name for f in before}
    assert not list(base.iterdir())
