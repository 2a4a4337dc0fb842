"""The triggerer ends the task of a passed table: its state, its XCom and its asset event, in Airflow's own tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from airflow.models import import_all_models
from airflow.models.asset import AssetActive, AssetEvent, AssetModel, TaskOutletAssetReference
from airflow.models.base import Base
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger, handle_event_submit
from airflow.models.xcom import XComModel
from airflow.serialization.serialized_objects import DagSerialization
from airflow.triggers.base import BaseTaskEndEvent, TaskSuccessEvent
from airflow.utils.types import DagRunType
from dags.edges import DAGS, load
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from etl.airflow import ending
from etl.airflow.watching import RAN_ALONE, TRIGGER

HOUR = datetime(2026, 6, 1, 10, tzinfo=UTC)
PASSED = TaskSuccessEvent(xcoms={RAN_ALONE: False})


@pytest.fixture
def session() -> Iterator[Session]:
    """A session of an empty database with Airflow's tables."""
    import_all_models()
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    with Session(engine, expire_on_commit=False) as opened:
        yield opened


@pytest.fixture
def installed() -> Iterator[list[TaskInstance]]:
    """`install`, taken back after the test. The list gets the tasks that Airflow's own function would end."""
    own, left_to_airflow = handle_event_submit.dispatch(BaseTaskEndEvent), []
    handle_event_submit.register(
        BaseTaskEndEvent, lambda event, *, task_instance, session: left_to_airflow.append(task_instance)
    )
    ending.install()
    yield left_to_airflow
    for kind in (BaseTaskEndEvent, TaskSuccessEvent):
        handle_event_submit.register(kind, own)


def waiting(session: Session, classpath: str = TRIGGER) -> TaskInstance:
    """The task of a table in its second try, which waits in the triggerer."""
    stored = DagSerialization.to_dict(load(next(file for file in DAGS if file.stem == "feed_hourly")))
    task = DagSerialization.from_dict(stored).get_task("fct_shares")
    interval = (HOUR, HOUR + timedelta(hours=1))
    run = DagRun("feed_hourly", "r", logical_date=HOUR, run_after=HOUR, data_interval=interval)
    run.run_type, trigger = DagRunType.SCHEDULED, Trigger(classpath, {})
    asset = AssetModel(name="fct_shares", uri="feed-etl://facts/fct_shares")
    asset.active = AssetActive(name=asset.name, uri=asset.uri)
    session.add_all([run, trigger, asset])
    session.flush()
    found = TaskInstance(task, dag_version_id=None, run_id="r", state="deferred")
    found.trigger_id, found.next_method, found.try_number = trigger.id, "resume", 2
    found.start_date = HOUR + timedelta(minutes=10)
    found.end_date = HOUR + timedelta(minutes=5)  # of the first try
    session.add(found)
    session.add(TaskOutletAssetReference(asset_id=asset.id, dag_id="feed_hourly", task_id="fct_shares"))
    session.flush()
    return found


def test_a_passed_table_ends_with_its_xcom_and_its_asset_event(session: Session, installed: list[TaskInstance]) -> None:
    task = waiting(session)
    Trigger.submit_event(task.trigger_id, PASSED, session=session)
    assert (task.state, task.trigger_id, task.next_method) == ("success", None, None)
    assert task.duration > 0
    pushed = session.scalars(select(XComModel)).one()
    assert (pushed.task_id, pushed.key, pushed.value) == ("fct_shares", RAN_ALONE, False)
    event = session.scalars(select(AssetEvent)).one()
    assert (event.source_task_id, event.source_run_id) == ("fct_shares", "r")
    assert event.extra == {"landed_hour": HOUR.isoformat()}


def test_tasks_of_other_triggers_end_as_before(session: Session, installed: list[TaskInstance]) -> None:
    """The deployment may have other DAGs whose tasks end in the triggerer."""
    task = waiting(session, "airflow.providers.standard.triggers.temporal.TimeDeltaTrigger")
    Trigger.submit_event(task.trigger_id, PASSED, session=session)
    assert (installed, task.state) == ([task], "deferred")


def test_the_triggerer_can_tell_whether_it_ends_tasks(installed: list[TaskInstance]) -> None:
    """If not, the trigger leaves the end of the task to a worker, and no asset event is lost."""
    assert ending.is_installed()


def test_without_install_airflow_ends_all_tasks() -> None:
    assert not ending.is_installed()
