"""Ends the task of a passed table in the triggerer, with its asset event, so that no worker has to start for it.

Airflow can end a task from its trigger, but then updates no asset, and parses the DAG file again for callbacks. So the
triggerer ends the tasks of tables with `end_table`. `airflow_local_settings.py`, which `bin/airflow` writes, calls
`install`. Without that call, the task of a passed table ends in a worker, which takes a second or two of a core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.assets.manager import asset_manager
from airflow.models.asset import AssetModel, TaskOutletAssetReference
from airflow.models.trigger import handle_event_submit
from airflow.models.xcom import XComModel
from airflow.triggers.base import BaseTaskEndEvent, TaskSuccessEvent
from pydantic import JsonValue
from sqlalchemy import Select, select

from etl.airflow.assets import landed_hour
from etl.airflow.watching import TRIGGER

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy.orm import Session


def install() -> None:
    """Let this process end the tasks of tables with `end_table`, and all other tasks as before."""
    airflows = handle_event_submit.dispatch(BaseTaskEndEvent)

    def end(event: TaskSuccessEvent, *, task_instance: TaskInstance, session: Session) -> None:
        trigger = task_instance.trigger
        ours = trigger is not None and trigger.classpath == TRIGGER
        (end_table if ours else airflows)(event, task_instance=task_instance, session=session)

    handle_event_submit.register(TaskSuccessEvent, end)


def is_installed() -> bool:
    """Whether `install` was called in this process, or in the process that it was forked from."""
    return handle_event_submit.dispatch(TaskSuccessEvent) is not handle_event_submit.dispatch(BaseTaskEndEvent)


def end_table(event: TaskSuccessEvent, *, task_instance: TaskInstance, session: Session) -> None:
    """Make a task successful: its state, its XComs and its asset events, in one transaction."""
    task_instance.trigger_id = None
    task_instance.end_date = None  # of an earlier try
    task_instance.clear_next_method_args()
    task_instance.set_state(event.task_instance_state, session=session)
    for key, value in (event.xcoms or {}).items():
        _push(task_instance, key, value, session)
    extra = landed_hour(task_instance.dag_run.data_interval_start)
    for asset in session.scalars(_assets(task_instance)).all():
        asset_manager.register_asset_change(task_instance=task_instance, asset=asset, extra=extra, session=session)


def _push(task_instance: TaskInstance, key: str, value: JsonValue, session: Session) -> None:
    """Publish an XCom as a worker does. `TaskInstance.xcom_push` stores another text, which tasks read as a string."""
    task = {name: getattr(task_instance, name) for name in ("dag_id", "task_id", "run_id", "map_index")}
    XComModel.set(key=key, value=value, **task, serialize=False, session=session)


def _assets(task_instance: TaskInstance) -> Select[tuple[AssetModel]]:
    """A query for the assets that a task updates."""
    outlet = TaskOutletAssetReference
    updated = (outlet.dag_id == task_instance.dag_id, outlet.task_id == task_instance.task_id)
    return select(AssetModel).join(outlet, outlet.asset_id == AssetModel.id).where(*updated)
