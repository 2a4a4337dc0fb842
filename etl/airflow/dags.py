"""The DAG factory: each function builds one kind of DAG. A file in dags/ gives it an id, a schedule and a text."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import (
    DAG,
    CronDataIntervalTimetable,
    DeadlineAlert,
    DeadlineReference,
    Param,
    SyncCallback,
)

from etl import conf
from etl.airflow import alerts, commands, pools
from etl.airflow.assets import asset
from etl.airflow.hour import HourOperator, TableOperator
from etl.airflow.operators import BackfillOperator, FeedEtlOperator
from etl.airflow.tables import Step, steps
from etl.airflow.watching import RUN_HOUR

log = logging.getLogger("feed_etl")
FIRST_HOUR = "FEED_ETL_FIRST_HOUR"
TASKS = {
    "owner": "feed-etl",
    "retries": 4,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "on_failure_callback": alerts.task_failed,
}
"""Retries are for temporary errors: after 1, 2, 4 and 8 minutes, so a task fails for good within half an hour."""
IN_TIME = timedelta(minutes=45)


def _first_hour() -> datetime:
    """The first scheduled hour. Use backfills for earlier hours."""
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


def hourly(dag_id: str, doc: str, cron: str, subject: str, look_back_hours: int = 0) -> DAG:
    """One task per table of a subject, downstream of the tables it reads or refers to. Missed hours are caught up.

    The tables watch one Spark application per hour, or run one each: `airflow.application_per` in conf/.
    """
    in_time = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
        interval=timedelta(hours=1) + IN_TIME,
        callback=SyncCallback(alerts.hour_is_late),
    )
    schedule = CronDataIntervalTimetable(cron, timezone="UTC")
    with _dag(dag_id, doc, schedule, catchup=True, deadline=in_time) as dag:
        _add_tables(subject, look_back_hours)
    return dag


def _add_tables(subject: str, look_back_hours: int) -> None:
    """Add the tasks of a subject's tables to the current DAG; for one application per hour also its producer."""
    if _application_per() == "hour":
        words = commands.hour(["--subject", subject], _first_hour(), look_back_hours)
        HourOperator(task_id=RUN_HOUR, command=words, pool=pools.HOURLY, retries=1, on_failure_callback=None)
        tasks = {
            s.name: TableOperator(inputs=s.after, pool=pools.TABLES, **_of(s, look_back_hours)) for s in steps(subject)
        }
    else:
        tasks = {s.name: FeedEtlOperator(pool=pools.HOURLY, **_of(s, look_back_hours)) for s in steps(subject)}
    for step in steps(subject):
        tasks[step.name].set_upstream([tasks[name] for name in step.after])


def _application_per() -> str:
    """`airflow.application_per` of conf/; `table` where only one process may write at a time.

    With one application per hour, a table may run alone while the application of another hour runs.
    """
    found = conf.airflow()
    if found.single_writer and found.airflow.application_per == "hour":
        log.warning("single_writer: each table has a Spark application of its own (airflow.application_per: table)")
        return "table"
    return found.airflow.application_per


def _of(step: Step, look_back_hours: int) -> dict[str, Any]:
    """What the operator of a table is made with in both cases."""
    words = commands.hour(["--table", step.name], _first_hour(), look_back_hours)
    return {"task_id": step.name, "command": words, "owner": step.owner, "outlets": [asset(step)]}


def late(dag_id: str, doc: str, cron: str, subject: str, look_back_hours: int = commands.LATE_HOURS) -> DAG:
    """One task per subject for files that land after their hour was run. It starts one hour after the first hour."""
    schedule, second = CronDataIntervalTimetable(cron, timezone="UTC"), _first_hour() + timedelta(hours=1)
    with _dag(dag_id, doc, schedule, start_date=second, catchup=False) as dag:
        FeedEtlOperator(
            task_id="late_files", command=commands.late(_first_hour(), subject, look_back_hours), pool=pools.HOURLY
        )
    return dag


def recovery(dag_id: str, doc: str, cron: str) -> DAG:
    """One task for the recovery list of all subjects. It has no retries, because it starts again with the next run."""
    with _dag(dag_id, doc, CronDataIntervalTimetable(cron, timezone="UTC"), catchup=False) as dag:
        FeedEtlOperator(task_id="recover", command=commands.RECOVER, pool=pools.HOURLY, retries=0)
    return dag


def daily(dag_id: str, doc: str, cron: str) -> DAG:
    """Daily reports and maintenance, as independent tasks."""
    with _dag(dag_id, doc, CronDataIntervalTimetable(cron, timezone="UTC"), catchup=False) as dag:
        FeedEtlOperator(task_id="quality_report", command=commands.QUALITY_REPORT, pool=pools.HOURLY)
        FeedEtlOperator(task_id="dashboard", command=commands.DASHBOARD, pool=pools.HOURLY)
        FeedEtlOperator(task_id="data_docs", command=commands.DATA_DOCS, pool=pools.HOURLY)
        FeedEtlOperator(task_id="maintain", command=commands.MAINTAIN, pool=pools.HOURLY)
    return dag


def backfill(dag_id: str, doc: str) -> DAG:
    """A plan, then the run, with parameters from the form. The run has no retries: it would conflict with itself."""
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
        "to": Param(type="string", format="date-time", title="To", description="End of the interval (exclusive), UTC"),
        "tables": Param(
            [],
            type=["array", "null"],
            items={"type": "string", "enum": names},
            examples=names,
            title="Tables",
            description="Empty: all tables. Tables that read them are rebuilt, too.",
        ),
        "only": Param("missing", enum=["missing", "failed", "stale", "all"], title="Only hours that are"),
        "ad_from": Param(None, type=["integer", "null"], title="Ads from", description="First ad id to rebuild"),
        "ad_to": Param(None, type=["integer", "null"], title="Ads to", description="End of the ad ids (exclusive)"),
        "reason": Param(type="string", minLength=3, title="Reason", description="Stored in the backfill register"),
        "owner": Param(owners[0], type="string", enum=owners, title="Owner", description="Who is responsible"),
        "agreed": Param(False, type="boolean", title="Yes", description="Allow more days than the limit"),
        "accept_changes": Param(
            False, type="boolean", title="Accept changes", description="Publish changes of measures over the budget"
        ),
        "resume": Param("", type=["string", "null"], title="Resume", description="Continue the backfill with this id"),
        "dry_run": Param(True, type="boolean", title="Dry run", description="Only show the plan"),
    }
