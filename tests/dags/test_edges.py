"""The DAGs equal the reviewed text files, and parsing them is fast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dags.edges import DAGS, HERE, as_text, load

from etl.airflow.tables import steps
from etl.airflow.watching import RUN_HOUR

LOADED = """
import sys, runpy
import airflow.sdk, airflow.policies, airflow.providers.apache.spark.operators.spark_submit
before = set(sys.modules)
for file in sys.argv[1:]:
    runpy.run_path(file)
print(*sorted(set(sys.modules) - before))
"""
HEAVY = {"pyspark", "delta", "py4j", "great_expectations", "pandas", "numpy", "pyarrow", "typer", "rich"}
LIGHT = ("etl.airflow", "etl.conf", "etl.errors", "etl.model", "etl.secrets")


@pytest.mark.parametrize("file", DAGS, ids=lambda file: file.stem)
def test_a_dag_equals_its_reviewed_text(file: Path) -> None:
    """`make dags` writes the text again; a reviewer reads the difference."""
    assert as_text(load(file)) == (HERE / f"{file.stem}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("subject", ["feed", "ads"])
@pytest.mark.parametrize(("application_per", "more"), [("hour", {RUN_HOUR: set()}), ("table", {})])
def test_every_table_waits_for_the_tables_it_reads_or_refers_to(
    monkeypatch: pytest.MonkeyPatch, subject: str, application_per: str, more: dict[str, set[str]]
) -> None:
    """Edges come from the contracts. Each table of the subject is one task, also when one application runs them all."""
    monkeypatch.setenv("FEED_ETL_AIRFLOW", json.dumps({"application_per": application_per}))
    dag = load(HERE.parent.parent / "dags" / f"{subject}_hourly.py")
    tables = {s.name: set(s.after) for s in steps(subject)}
    assert {task.task_id: task.upstream_task_ids for task in dag.tasks} == {**tables, **more}


def test_where_only_one_process_may_write_each_table_has_its_own_application(monkeypatch: pytest.MonkeyPatch) -> None:
    """One application per hour would write at the same time as a table that runs alone."""
    monkeypatch.setenv("FEED_ETL_SINGLE_WRITER", "true")
    dag = load(HERE.parent.parent / "dags" / "feed_hourly.py")
    assert {task.task_id for task in dag.tasks} == {s.name for s in steps("feed")}


def loaded_by_the_dag_files(tmp_path: Path) -> set[str]:
    """Modules that parsing all DAG files loads beyond Airflow's own, without a database, lake or landing zone."""
    nowhere = str(tmp_path / "nowhere")
    variables = {
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{nowhere}/airflow.db",
        "FEED_ETL_LAKE": nowhere,
        "FEED_ETL_LANDING": nowhere,
        "JAVA_HOME": nowhere,
    }
    command = [sys.executable, "-c", LOADED, *map(str, DAGS)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables}, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(done.stdout.splitlines()[-1].split())


def test_parsing_the_dags_loads_only_few_light_modules(tmp_path: Path) -> None:
    """The limit counts modules, not seconds, so it is equal on every machine. No database is available."""
    loaded = loaded_by_the_dag_files(tmp_path)
    assert not {name.split(".")[0] for name in loaded} & HEAVY
    assert all(name.startswith(LIGHT) for name in loaded if name.startswith("etl."))
    assert len(loaded) < 80, sorted(loaded)
