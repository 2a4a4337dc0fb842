"""The factory: each function makes one DAG from the steps; a file in dags/ gives it a name, a schedule and a text."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    CronDataIntervalTimetable,
    DeadlineAlert,
    DeadlineReference,
    Param,
    SyncCallback,
)

from etl.airflow import alerts, commands, pools
from etl.airflow.operators import BackfillOperator, FeedEtlOperator
from etl.airflow.tables import Step, steps

FIRST_HOUR = "FEED_ETL_FIRST_HOUR"
TASKS = {
    "owner": "feed-etl",
    "retries": 4,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "on_failure_callback": alerts.task_failed,
}
"""Retries are for what may pass by itself: after 1, 2, 4 and 8 minutes, so a table is given up within half an hour."""
IN_TIME = timedelta(minutes=45)


def _first_hour() -> datetime:
    """The first hour that is scheduled; hours before it are for backfills."""
    return datetime.strptime(os.environ.get(FIRST_HOUR, "2026-06-01T00"), commands.HOUR).replace(tzinfo=UTC)


def _dag(dag_id: str, doc: str, schedule: CronDataIntervalTimetable | None, **settings: Any) -> DAG:
    given = {"start_date": _first_hour(), "max_active_runs": 1, "default_args": TASKS, "tags": ["feed-etl"], **settings}
    return DAG(
        dag_id=dag_id,
        doc_md=doc,
        description=doc.strip().splitlines()[0],
        schedule=schedule,
        **given,
    )


def asset(step: Step) -> Asset:
    """A table as others may wait for it: updated means passed its gate."""
    return Asset(name=step.name, uri=f"feed-etl://{step.layer}/{step.name}", group=step.layer)


def hourly(dag_id: str, doc: str, cron: str, subject: str, look_back_hours: int = 0) -> DAG:
    """A task per table of a subject, after the tables it reads or refers to; a missed hour is caught up."""
    in_time = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
        interval=timedelta(hours=1) + IN_TIME,
        callback=SyncCallback(alerts.hour_is_late),
    )
    schedule = CronDataIntervalTimetable(cron, timezone="UTC")
    with _dag(dag_id, doc, schedule, catchup=True, deadline=in_time) as dag:
        tasks = {step.name: _table(step, look_back_hours) for step in steps(subject)}
        for step in steps(subject):
            tasks[step.name].set_upstream([tasks[name] for name in step.after])
    return dag


def _table(step: Step, look_back_hours: int) -> FeedEtlOperator:
    return FeedEtlOperator(
        task_id=step.name,
        command=commands.hour(step.name, _first_hour(), look_back_hours),
        owner=step.owner,
        outlets=[asset(step)],
        pool=pools.HOURLY,
    )


def late(dag_id: str, doc: str, cron: str, subject: str, look_back_hours: int = commands.LATE_HOURS) -> DAG:
    """One task for a subject: what landed for hours that were run already, so there is nothing in the first hour."""
    schedule, second = CronDataIntervalTimetable(cron, timezone="UTC"), _first_hour() + timedelta(hours=1)
    with _dag(dag_id, doc, schedule, start_date=second, catchup=False) as dag:
        FeedEtlOperator(
            task_id="late_files", command=commands.late(_first_hour(), subject, look_back_hours), pool=pools.HOURLY
        )
    return dag


def daily(dag_id: str, doc: str, cron: str) -> DAG:
    """The reports of the day and maintenance; none waits for another."""
    with _dag(dag_id, doc, CronDataIntervalTimetable(cron, timezone="UTC"), catchup=False) as dag:
        FeedEtlOperator(task_id="quality_report", command=commands.QUALITY_REPORT, pool=pools.HOURLY)
        FeedEtlOperator(task_id="dashboard", command=commands.DASHBOARD, pool=pools.HOURLY)
        FeedEtlOperator(task_id="data_docs", command=commands.DATA_DOCS, pool=pools.HOURLY)
        FeedEtlOperator(task_id="maintain", command=commands.MAINTAIN, pool=pools.HOURLY)
    return dag


def backfill(dag_id: str, doc: str) -> DAG:
    """A plan that anyone may look at, then the run; both from the form. A second try would only meet the first one."""
    with _dag(dag_id, doc, None, params=_form(), catchup=False) as dag:
        plan = BackfillOperator(task_id="plan", words=commands.backfill_plan, pool=pools.BACKFILL)
        run = BackfillOperator(
            task_id="run", words=commands.backfill_run, skip_dry=True, pool=pools.BACKFILL, retries=0
        )
        plan >> run
    return dag


def _form() -> dict[str, Param]:
    names = [step.name for step in steps()]
    owners = sorted({step.owner for step in steps()})
    return {
        "from": Param(type="string", format="date-time", title="From", description="First hour, UTC"),
        "to": Param(type="string", format="date-time", title="To", description="End of the range, UTC, not in it"),
        "tables": Param(
            [],
            type=["array", "null"],
            items={"type": "string", "enum": names},
            examples=names,
            title="Tables",
            description="None named: all. What reads them is built again, too.",
        ),
        "only": Param("missing", enum=["missing", "failed", "stale", "all"], title="Only hours that are"),
        "ad_from": Param(None, type=["integer", "null"], title="Ads from", description="Only rows of these ads"),
        "ad_to": Param(None, type=["integer", "null"], title="Ads to", description="End of that range, not in it"),
        "reason": Param(type="string", minLength=3, title="Reason", description="Kept with the run"),
        "owner": Param(owners[0], type="string", enum=owners, title="Owner", description="Who answers for it"),
        "agreed": Param(False, type="boolean", title="Yes", description="Also when it costs more than the limit"),
        "accept_changes": Param(False, type="boolean", title="Accept changes", description="Of measures, over budget"),
        "resume": Param("", type=["string", "null"], title="Resume", description="Go on with the backfill of this id"),
        "dry_run": Param(True, type="boolean", title="Dry run", description="Only show the plan"),
    }
