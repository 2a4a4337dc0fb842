"""`make airflow-demo`: an hour, failing audits with their mails, and backfills through a real scheduler.

Exit code 0 when every expectation holds; otherwise 1 and the reason. All files stay in airflow-home/demo.
"""

from __future__ import annotations

import argparse
import signal
import sys
from datetime import UTC, datetime

from support.airflow import demo_ads, demo_day, demo_hour
from support.airflow.acts import break_gates, expect, expect_hour, failing_gates, form, log, own_backfill
from support.airflow.rest import Airflow, Unexpected
from support.airflow.sandbox import ONE_HOUR, ROOT, Sandbox

HOME = ROOT / "airflow-home" / "demo"
IMPRESSIONS = 100


def _backfill(airflow: Airflow, sandbox: Sandbox, first: datetime) -> None:
    airflow.unpause("feed_backfill")
    params = form(first, first + 2 * ONE_HOUR, tables=["fct_shares", "agg_post_engagement_hourly"], only="all")
    run = airflow.trigger("feed_backfill", params)
    expect("the form rebuilds two hours of two tables", airflow.finished("feed_backfill", run), "success")
    own_backfill(airflow, sandbox, [first, first + ONE_HOUR])


def _short(sandbox: Sandbox) -> None:
    """Run two hours, the second one with failing audits, then backfills."""
    second = sandbox.first + ONE_HOUR
    sandbox.simulate(sandbox.first, second + ONE_HOUR, IMPRESSIONS)
    broken = break_gates(sandbox, second)
    with sandbox.smtp_server(), sandbox.scheduler() as airflow:
        log(f"Airflow is up at {airflow.url}; mails arrive in {sandbox.maildir}")
        airflow.unpause("feed_hourly")
        expect_hour(airflow, sandbox.first)
        failing_gates(airflow, sandbox, second, broken)
        _backfill(airflow, sandbox, sandbox.first)


def main() -> int:
    """Run the demo and return the exit code."""
    parser = argparse.ArgumentParser(prog="make airflow-demo", description=__doc__)
    parser.set_defaults(params=(_short, 2))
    longer = parser.add_mutually_exclusive_group()
    day, ads, hour = ((each.show, each.HOURS) for each in (demo_day, demo_ads, demo_hour))
    help_text = "three hours, late files and a backfilled day at once"
    longer.add_argument("--day", dest="params", action="store_const", const=day, help=help_text)
    help_text = "two hours of ads, late files, the daily run of ads"
    longer.add_argument("--ads", dest="params", action="store_const", const=ads, help=help_text)
    help_text = "an hour as one application, timed; a killed application; a cleared table"
    longer.add_argument("--hour", dest="params", action="store_const", const=hour, help=help_text)
    show, hours = parser.parse_args().params
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the with-blocks stop Airflow, too
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    sandbox = Sandbox(HOME, now - hours * ONE_HOUR)
    sandbox.make()
    try:
        show(sandbox)
    except Unexpected as error:
        log(f"FAIL {error}; the log is {HOME / 'airflow.log'}")
        return 1
    log("all expectations hold")
    return 0


if __name__ == "__main__":
    sys.exit(main())
