"""`make airflow-demo ARGS=--ads`: two hours of ads, a late file that the second run finds, one for `ads_daily`.

In the end the lake is what one plain run makes of the same landing zone.
"""

from __future__ import annotations

from support.airflow.acts import expect, expect_hour, hold_back, plain_run, say
from support.airflow.sandbox import ONE_HOUR, Sandbox

HOURS = 2
IMPRESSIONS = 300


def show(place: Sandbox) -> None:
    """Everything, from nothing."""
    first, second = place.first, place.first + ONE_HOUR
    ads = ("--subject", "ads")
    place.simulate(first, second + ONE_HOUR, IMPRESSIONS, *ads)
    let_clicks_land, let_pages_land = (hold_back(place, event, first) for event in ("ad_clicks", "page_events"))
    with place.scheduler() as airflow:
        say(f"Airflow is up at {airflow.url}")
        airflow.unpause("ads_hourly")
        expect_hour(airflow, first, "ads_hourly")
        let_clicks_land()
        say("a file of clicks of the first hour has landed now")
        expect_hour(airflow, second, "ads_hourly")
        let_pages_land()
        airflow.unpause("ads_daily")
        run = airflow.trigger("ads_daily", {})
        expect("ads_daily, what landed after both", airflow.finished("ads_daily", run), "success")
    plain_run(place, first, second + ONE_HOUR, *ads)
