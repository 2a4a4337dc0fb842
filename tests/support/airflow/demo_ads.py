"""`make airflow-demo ARGS=--ads`: two hours of ads, a late file that the second run finds, one for `ads_daily`.

At the end, the lake must equal the result of one plain run over the same landing zone.
"""

from __future__ import annotations

from support.airflow.acts import expect, expect_hour, hold_back, log, plain_run
from support.airflow.sandbox import ONE_HOUR, Sandbox

HOURS = 2
IMPRESSIONS = 300


def show(sandbox: Sandbox) -> None:
    """Run the demo from an empty sandbox."""
    first, second = sandbox.first, sandbox.first + ONE_HOUR
    ads = ("--subject", "ads")
    sandbox.simulate(first, second + ONE_HOUR, IMPRESSIONS, *ads)
    land_clicks, land_pages = (hold_back(sandbox, event, first) for event in ("ad_clicks", "page_events"))
    with sandbox.scheduler() as airflow:
        log(f"Airflow is up at {airflow.url}")
        airflow.unpause("ads_hourly")
        expect_hour(airflow, first, "ads_hourly")
        land_clicks()
        log("a file of clicks of the first hour lands now")
        expect_hour(airflow, second, "ads_hourly")
        land_pages()
        airflow.unpause("ads_daily")
        run = airflow.trigger("ads_daily", {})
        expect("ads_daily processes files that landed after both hours", airflow.finished("ads_daily", run), "success")
    plain_run(sandbox, first, second + ONE_HOUR, *ads)
