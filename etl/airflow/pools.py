"""Spark pools, which limit parallel applications so that a backfill does not starve the hourly run.

Airflow loads the cluster policy from `airflow_local_settings.py` in its config folder, which `bin/airflow` writes. A
policy that is only an entry point is not called when Airflow creates the tasks of a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance

HOURLY = "spark_hourly"
TABLES = "spark_tables"
"""Tasks of tables that end or run alone. They must not wait for the slot of the application that they watch."""
BACKFILL = "spark_backfill"


def task_instance_mutation_hook(task_instance: TaskInstance, dag_run: DagRun | None) -> None:
    """Move tasks of Airflow's own backfills of the hourly DAG to the smaller backfill pool.

    The run id identifies a backfill: the DAG run itself may not be loaded at this point.
    """
    if task_instance.pool == HOURLY and (task_instance.run_id or "").startswith("backfill__"):
        task_instance.pool = BACKFILL
