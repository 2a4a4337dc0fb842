"""`make airflow-demo`: an hour, failing gates with their mail, and backfills through a real scheduler, from nothing.

Ends with 0 when everything came as it should, with 1 and the reason when not. Everything stays in airflow-home/demo.
"""

from __future__ import annotations

import argparse
import signal
import sys
from datetime import UTC, datetime

from support.airflow import demo_ads, demo_day
from support.airflow.acts import break_gates, expect, expect_hour, failing_gates, form, own_backfill, say
from support.airflow.rest import Airflow, Unexpected
from support.airflow.sandbox import ONE_HOUR, ROOT, Sandbox

HOME = ROOT / "airflow-home" / "demo"
IMPRESSIONS = 100


def _backfill(airflow: Airflow, place: Sandbox, first: datetime) -> None:
    airflow.unpause("feed_backfill")
    asked = form(first, first + 2 * ONE_HOUR, tables=["fct_shares", "agg_post_engagement_hourly"], only="all")
    run = airflow.trigger("feed_backfill", asked)
    expect("two hours of two tables built again by the form", airflow.finished("feed_backfill", run), "success")
    own_backfill(airflow, place, [first, first + ONE_HOUR])


def _short(place: Sandbox) -> None:
    """Two hours, the second refused at first; then backfills of what is there."""
    second = place.first + ONE_HOUR
    place.simulate(place.first, second + ONE_HOUR, IMPRESSIONS)
    broken = break_gates(place, second)
    with place.postman(), place.scheduler() as airflow:
        say(f"Airflow is up at {airflow.url}; mails arrive in {place.maildir}")
        airflow.unpause("feed_hourly")
        expect_hour(airflow, place.first)
        failing_gates(airflow, place, second, broken)
        _backfill(airflow, place, place.first)


def main() -> int:
    """The whole demo. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make airflow-demo", description=__doc__)
    parser.set_defaults(asked=(_short, 2))
    longer = parser.add_mutually_exclusive_group()
    day, ads = (demo_day.show, demo_day.HOURS), (demo_ads.show, demo_ads.HOURS)
    told = "three hours, late files and a backfilled day at once"
    longer.add_argument("--day", dest="asked", action="store_const", const=day, help=told)
    told = "two hours of ads, late files, the daily run of ads"
    longer.add_argument("--ads", dest="asked", action="store_const", const=ads, help=told)
    show, hours = parser.parse_args().asked
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that Airflow is ended, too
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    place = Sandbox(HOME, now - hours * ONE_HOUR)
    place.make()
    try:
        show(place)
    except Unexpected as error:
        say(f"FAIL {error}; the log is {HOME / 'airflow.log'}")
        return 1
    say("all as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
