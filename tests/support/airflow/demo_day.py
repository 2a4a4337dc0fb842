"""`make airflow-demo ARGS=--day`: three hours, late files and the backfill of a day at the same time.

The day before has landed, with its bronze tables, dimensions and dwell. The backfill builds facts, rollups and marts
while the scheduled hours run. These hours build some of the rollups from the facts that exist so far, so the backfill
accepts its changes in advance. At the end, the lake must equal the result of one plain run over the same landing zone.
"""

from __future__ import annotations

from datetime import timedelta

from etl import catalog
from etl.airflow.commands import HOUR
from etl.operations.backfill.request import kept_because
from support.airflow.acts import (
    break_gates,
    expect,
    expect_hour,
    failing_gates,
    form,
    hold_back,
    log,
    own_backfill,
    plain_run,
)
from support.airflow.rest import Airflow
from support.airflow.sandbox import ONE_HOUR, Sandbox

DAY = timedelta(days=1)
HOURS = 3
IMPRESSIONS = 60
LATE = "engagements"


def show(sandbox: Sandbox) -> None:
    """Run the demo from an empty sandbox."""
    first, third = sandbox.first, sandbox.first + 2 * ONE_HOUR
    sandbox.simulate(first - DAY, third + ONE_HOUR, IMPRESSIONS)
    land_file = hold_back(sandbox, LATE, first)
    broken = break_gates(sandbox, third)
    before = [word for table in _not_backfilled() for word in ("--table", table)]
    sandbox.feed_etl("run", "--from", (first - DAY).strftime(HOUR), "--to", first.strftime(HOUR), *before)
    log("a day has landed; its facts, rollups and marts do not exist yet; three hours follow")
    with sandbox.smtp_server(), sandbox.scheduler() as airflow:
        log(f"Airflow is up at {airflow.url}; mails arrive in {sandbox.maildir}")
        airflow.unpause("feed_hourly")
        airflow.unpause("feed_backfill")
        whole_day = airflow.trigger("feed_backfill", form(first - DAY, first, only="missing", accept_changes=True))
        expect_hour(airflow, first)
        land_file()
        airflow.unpause("feed_late")
        expect_hour(airflow, first + ONE_HOUR)
        for dag, run in (("feed_late", airflow.first_run("feed_late")), ("feed_backfill", whole_day)):
            expect(f"{dag} succeeds next to the hourly runs", airflow.finished(dag, run), "success")
        failing_gates(airflow, sandbox, third, broken)
        _daily(airflow)
        own_backfill(airflow, sandbox, [first + i * ONE_HOUR for i in range(3)])
    plain_run(sandbox, first - DAY, third + ONE_HOUR)


def _not_backfilled() -> list[str]:
    """Tables that a backfill does not build."""
    names = catalog.of_subjects(["feed"])
    return [n for n in names if catalog.has_job(t := catalog.entry(n).table) and kept_because(t)]


def _daily(airflow: Airflow) -> None:
    """Trigger feed_daily, because its scheduled time, 02:00, may be far off."""
    airflow.unpause("feed_daily")
    run = airflow.trigger("feed_daily", {})
    expect("feed_daily: reports, dashboard, Data Docs, maintenance", airflow.finished("feed_daily", run), "success")
