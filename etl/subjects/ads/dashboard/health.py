"""Everything the dashboard says of ads, as values: answers of the named questions, and of SQL beside the code.

A day of the range is one that any of its hours is in. Days of money are the advertiser's, days of sessions and of
conversions UTC's; each question says which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.errors import LakeError
from etl.reports.operations import Interval
from etl.reports.questions import Row, ask, ask_named
from etl.subjects.ads.measures import LOCK_DAYS, WEST_HOURS

DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)
TOP = 10
Days = tuple[date, date]  # half-open


@dataclass(frozen=True)
class Ads:
    """Ads over a range. A part is empty when it has no rows, or its table is not in the lake yet.

    `final_roas` is of as many days as the range has, the newest that were locked wherever the advertiser is. `pace` is
    of `pace_day`, the newest day that is over everywhere.
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
    """Ads of a lake over a half-open range of hours."""

    def named(name: str, **parameters: object) -> list[Row]:
        return _there(lambda: ask_named(spark, settings, name, **parameters))

    def beside(name: str, **parameters: object) -> list[Row]:
        return _there(lambda: ask(spark, settings, name, **parameters))

    hours = {"start": interval[0], "end": interval[1]}
    first, after = whole = days(interval)
    daily = {"start": first, "end": after}
    final = final_days(interval)
    pace_day = over_everywhere(interval[1])
    return Ads(
        days=whole,
        clicks=beside("ads_clicks", **hours),
        top=named("top_ads", limit=TOP, **daily),
        delivered=beside("ads_delivered", **daily),
        sessions=named("ctr_cvr", **daily),
        spend=named("spend_reconciliation", at_least=0, **daily),
        unknown=beside("ads_unknown", **hours),
        roas=named("roas", as_of=interval[1].date(), **daily),
        final_days=final,
        final_roas=named("roas", start=final[0], end=final[1], as_of=interval[1].date()),
        conversions=beside("ads_conversions", **daily),
        received=beside("ads_received", **hours),
        pace_day=pace_day,
        pace=named("delivery_health", start=midnight(pace_day), end=midnight(pace_day + DAY)),
    )


def _there(asked: Callable[[], list[Row]]) -> list[Row]:
    """The answer, nothing where a gate has not let an input into the lake yet: the page says which gate it is."""
    try:
        return asked()
    except LakeError:
        return []


def days(interval: Interval) -> Days:
    """The days that any hour of a range is in."""
    return interval[0].date(), (interval[1] - INSTANT).date() + DAY


def final_days(interval: Interval) -> Days:
    """As many days as a range has, ending with the newest that no advertiser's clock leaves open at its end."""
    first, after = days(interval)
    end = interval[1].date() - (LOCK_DAYS + 1) * DAY  # one more: a day in the west ends, and locks, hours after UTC's
    return end - (after - first), end


def over_everywhere(end: datetime) -> date:
    """The newest day that was over by an instant wherever the advertiser is."""
    return (end - timedelta(hours=WEST_HOURS) - DAY).date()


def midnight(day: date) -> datetime:
    """The instant a day begins, UTC."""
    return datetime.combine(day, time(), UTC)


def listed(whole: Days) -> list[datetime]:
    """Midnights of days, for a chart of them."""
    first, after = whole
    return [midnight(first + i * DAY) for i in range((after - first).days)]
