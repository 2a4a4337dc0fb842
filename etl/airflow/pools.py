"""Spark pools: how many applications run at once, so that no backfill starves the hourly run.

Airflow finds the policy by `airflow_local_settings.py` in its config folder, which `bin/airflow` writes; one that is an
entry point only is not asked when the tasks of a run are made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance

HOURLY = "spark_hourly"
BACKFILL = "spark_backfill"


def task_instance_mutation_hook(task_instance: TaskInstance, dag_run: DagRun | None) -> None:
    """Airflow's own backfills run the hourly DAG: their tasks take their slots from the smaller pool.

    The run's id says what it is; a run may not be loaded here.
    """
    if task_instance.pool == HOURLY and (task_instance.run_id or "").startswith("backfill__"):
        task_instance.pool = BACKFILL
