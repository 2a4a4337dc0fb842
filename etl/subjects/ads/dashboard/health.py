"""Everything the dashboard shows of ads, as values. They come from named queries and from the SQL files of this folder.

A range of hours covers each day that any of its hours is in. Days of money are advertiser days; days of sessions and
conversions are UTC days. Each query says which one it uses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.errors import LakeError
from etl.reports.operations import Interval
from etl.reports.page_queries import Row, run_named_query, run_page_query
from etl.subjects.ads.measures import LOCK_DAYS, WEST_HOURS

DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)
TOP = 10  # ads in the chart of the most clicked ads
Days = tuple[date, date]  # half-open


@dataclass(frozen=True)
class Ads:
    """Ads over a range. A part is empty when it has no rows, or when the lake does not have its table yet.

    `final_roas` covers `final_days`: as many days as the range has, the newest that are locked in every time zone.
    `pace` covers `pace_day`: the newest day that is over in every time zone.
    """

    days: Days
    clicks: list[Row]
    top: list[Row]
    delivered: list[Row]
    sessions: list[Row]
    spend: list[Row]
    unknown: list[Row]
    roas: list[Row]
    final_days: Days
    final_roas: list[Row]
    conversions: list[Row]
    received: list[Row]
    pace_day: date
    pace: list[Row]


def collect(spark: SparkSession, settings: Settings, interval: Interval) -> Ads:
    """The ads of a lake over a half-open range of hours."""

    def named(name: str, **parameters: object) -> list[Row]:
        return _rows_or_empty(lambda: run_named_query(spark, settings, name, **parameters))

    def own(name: str, **parameters: object) -> list[Row]:
        return _rows_or_empty(lambda: run_page_query(spark, settings, name, **parameters))

    hours = {"start": interval[0], "end": interval[1]}
    whole = days(interval)
    daily = {"start": whole[0], "end": whole[1]}
    final = final_days(interval)
    pace_day = over_in_all_zones(interval[1])
    return Ads(
        days=whole,
        clicks=own("ads_clicks", **hours),
        top=named("top_ads", limit=TOP, **daily),
        delivered=own("ads_delivered", **daily),
        sessions=named("ctr_cvr", **daily),
        spend=named("spend_reconciliation", at_least=0, **daily),
        unknown=own("ads_unknown", **hours),
        roas=named("roas", as_of=interval[1].date(), **daily),
        final_days=final,
        final_roas=named("roas", start=final[0], end=final[1], as_of=interval[1].date()),
        conversions=own("ads_conversions", **daily),
        received=own("ads_received", **hours),
        pace_day=pace_day,
        pace=named("delivery_health", start=midnight(pace_day), end=midnight(pace_day + DAY)),
    )


def _rows_or_empty(run_query: Callable[[], list[Row]]) -> list[Row]:
    """The rows of a query; no rows when the lake does not have an input yet. The gates on the page show which one."""
    try:
        return run_query()
    except LakeError:
        return []


def days(interval: Interval) -> Days:
    """The days that any hour of a range is in, half-open."""
    return interval[0].date(), (interval[1] - INSTANT).date() + DAY


def final_days(interval: Interval) -> Days:
    """As many days as a range has. The last of them is the newest day that is locked in every time zone at its end."""
    first, after = days(interval)
    end = interval[1].date() - (LOCK_DAYS + 1) * DAY  # one more: a day in the west ends and locks hours after UTC
    return end - (after - first), end


def over_in_all_zones(end: datetime) -> date:
    """The newest day that is over in every time zone at `end`."""
    return (end - timedelta(hours=WEST_HOURS) - DAY).date()


def midnight(day: date) -> datetime:
    """The start of a day, UTC."""
    return datetime.combine(day, time(), UTC)


def listed(whole: Days) -> list[datetime]:
    """The start of each day, for a chart by day."""
    first, after = whole
    return [midnight(first + i * DAY) for i in range((after - first).days)]
