"""`make airflow-demo ARGS=--day`: three hours, late files and the backfill of a day next to each other.

The day before has landed and its bronze, dimensions and dwell are there; facts, rollups and marts come by the backfill,
while the scheduled hours run. These make some of its rollups from what facts there are, so its changes are accepted
beforehand. In the end the lake is what one plain run makes of the same landing zone.
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
    own_backfill,
    plain_run,
    say,
)
from support.airflow.rest import Airflow
from support.airflow.sandbox import ONE_HOUR, Sandbox

DAY = timedelta(days=1)
HOURS = 3
IMPRESSIONS = 60
LATE = "engagements"


def show(place: Sandbox) -> None:
    """Everything, from nothing."""
    first, third = place.first, place.first + 2 * ONE_HOUR
    place.simulate(first - DAY, third + ONE_HOUR, IMPRESSIONS)
    let_land = hold_back(place, LATE, first)
    broken = break_gates(place, third)
    before = [word for table in _given() for word in ("--table", table)]
    place.feed_etl("run", "--from", (first - DAY).strftime(HOUR), "--to", first.strftime(HOUR), *before)
    say("a day has landed, its facts, rollups and marts are not made; three hours follow")
    with place.postman(), place.scheduler() as airflow:
        say(f"Airflow is up at {airflow.url}; mails arrive in {place.maildir}")
        airflow.unpause("feed_hourly")
        airflow.unpause("feed_backfill")
        whole_day = airflow.trigger("feed_backfill", form(first - DAY, first, only="missing", accept_changes=True))
        expect_hour(airflow, first)
        let_land()
        airflow.unpause("feed_late")
        expect_hour(airflow, first + ONE_HOUR)
        for dag, run in (("feed_late", airflow.first_run("feed_late")), ("feed_backfill", whole_day)):
            expect(f"{dag}, next to the hours", airflow.finished(dag, run), "success")
        failing_gates(airflow, place, third, broken)
        _daily(airflow)
        own_backfill(airflow, place, [first + i * ONE_HOUR for i in range(3)])
    plain_run(place, first - DAY, third + ONE_HOUR)


def _given() -> list[str]:
    """Tables that no backfill makes."""
    names = catalog.of_subjects(["feed"])
    return [n for n in names if catalog.is_made(t := catalog.entry(n).table) and kept_because(t)]


def _daily(airflow: Airflow) -> None:
    """By hand: its hour, 02:00, may be far off."""
    airflow.unpause("feed_daily")
    run = airflow.trigger("feed_daily", {})
    expect("feed_daily: reports, dashboard, Data Docs, maintenance", airflow.finished("feed_daily", run), "success")
