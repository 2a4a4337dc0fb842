"""Spark pools: how many applications run at once, so that no backfill starves the hourly run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.policies import hookimpl

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance

HOURLY = "spark_hourly"
BACKFILL = "spark_backfill"


@hookimpl
def task_instance_mutation_hook(task_instance: TaskInstance, dag_run: DagRun | None) -> None:
    """Airflow's own backfills run the hourly DAG: their tasks take their slots from the smaller pool.

    The run's id says what it is; a run may not be loaded here.
    """
    if task_instance.pool == HOURLY and (task_instance.run_id or "").startswith("backfill__"):
        task_instance.pool = BACKFILL
