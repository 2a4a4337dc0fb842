"""The task of Airflow is the parent of the runs that its application reports to OpenLineage."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter

from etl.airflow.operators import FeedEtlOperator
from etl.lineage.openlineage import parent

HOUR = datetime(2026, 6, 1, 10, tzinfo=UTC)


def submitted(operator: FeedEtlOperator, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The Spark properties that an operator gives to spark-submit, which is a program that only notes them."""
    words = folder / "words"
    program = folder / "spark-submit"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{words}\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    dag_run = SimpleNamespace(conf={}, logical_date=HOUR, run_after=HOUR, clear_number=0)
    task = SimpleNamespace(dag_id="feed_hourly", task_id="run_hour", try_number=1, max_tries=4, map_index=-1)
    task.dag_run, task.get_template_context = dag_run, lambda: {"dag_run": dag_run}
    context = {"task_instance": task, "ti": task, "task": operator, "dag_run": dag_run, "data_interval_start": HOUR}
    operator.execute(cast(Any, context))
    return dict(re.findall(r"^(spark\.openlineage\.\w+)=(.*)$", words.read_text(), re.M))


def test_the_provider_tells_the_application_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`[openlineage] spark_inject_parent_job_info` sets this option of every operator of Spark."""
    operator = FeedEtlOperator(task_id="run_hour", command=["run"], openlineage_inject_parent_job_info=True)
    found = parent.find(submitted(operator, tmp_path, monkeypatch), {})
    run_id = OpenLineageAdapter.build_task_instance_run_id("feed_hourly", "run_hour", 1, HOUR, -1)
    assert found and (found.namespace, found.job, found.run_id) == ("default", "feed_hourly.run_hour", run_id)
    assert found.root and found.root.job == "feed_hourly"


def test_without_the_option_there_is_no_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = FeedEtlOperator(task_id="run_hour", command=["run"])
    assert submitted(operator, tmp_path, monkeypatch) == {}
