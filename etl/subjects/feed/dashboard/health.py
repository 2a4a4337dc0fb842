"""Everything the dashboard shows of the feed, as values. They come from rollups, dimensions and the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.state.ledger import Ledger
from etl.reports import intervals, operations
from etl.reports.intervals import Estimate
from etl.reports.operations import Interval
from etl.reports.page_queries import Row, run_named_query, run_page_query
from etl.subjects.feed.dashboard import heartbeats
from etl.subjects.feed.dashboard.heartbeats import Heartbeats

MIN_IMPRESSIONS = 1000
"""Brand safety judges a post-hour with more impressions than this; the rate of fewer is noise."""
FLOOR = 0.005
"""Negative rate from which on a post-hour is worth a look."""
RISE = 0.003
"""Rise of the negative rate over the hour before, from which on a person must look at once."""
QUEUE_LIMIT, QUEUE_SHOWN = 100_000, 50
"""Rows of the review queue that the tile counts, and that the page lists."""
POSTS_DRAWN = 5


@dataclass(frozen=True)
class Ranker:
    """Model versions, the oldest first, with their estimates over the interval (`versions`) and by hour (`hours`)."""

    versions: list[Row]
    hours: list[Row]

    @property
    def newest(self) -> Row | None:
        """The version deployed last."""
        return self.versions[-1] if self.versions else None

    @property
    def baseline(self) -> Row | None:
        """The version with the most impressions, the newest one excluded."""
        return max(self.versions[:-1], key=lambda v: v["impressions"], default=None)


@dataclass(frozen=True)
class Ingest:
    """What landed: by hour and by event (the row of all events has event None), busiest posts, and partition skew.

    `allowed_quarantine` is the share of quarantined records that the gates allow (`quarantine_share` in conf/).
    """

    hours: list[Row]
    events: list[Row]
    heartbeats: Heartbeats
    busiest: list[Row]
    skews: list[operations.Skew]
    allowed_quarantine: float

    @property
    def total(self) -> Row | None:
        """The row of all events; None when nothing landed."""
        return next((row for row in self.events if row["event"] is None), None)

    @property
    def usual_impressions(self) -> float | None:
        """Impressions of a usual hour: the median of the hours before the newest one. None without such hours."""
        before = [row["impressions"] for row in self.hours[:-1]]
        return median(before) if before else None


@dataclass(frozen=True)
class Safety:
    """Posts whose negative rate is high.

    `queue` has the post-hours to review, worst first, `posts` the creator and caption of the posts that the page shows.
    `hours` counts the posts over the floor, `fastest` is the post-hour that rose most, `worst_posts` has the negative
    rate of a few queued posts by hour.
    """

    queue: list[Row]
    posts: dict[int, Row]
    hours: list[Row]
    fastest: Row | None
    worst_posts: list[Row]


@dataclass(frozen=True)
class Feed:
    """The values of the three sections."""

    ranker: Ranker
    ingest: Ingest
    safety: Safety


def collect(spark: SparkSession, settings: Settings, interval: Interval, ledger: Ledger) -> Feed:
    """The feed over a half-open range of hours."""
    return Feed(
        _ranker(spark, settings, interval),
        _ingest(spark, settings, interval, ledger),
        _safety(spark, settings, interval),
    )


def _ranker(spark: SparkSession, settings: Settings, interval: Interval) -> Ranker:
    start, end = interval
    hours = run_page_query(spark, settings, "model_hours", start=start, end=end)
    versions = run_page_query(spark, settings, "model_versions", start=start, end=end)
    for row in versions:
        own_hours = [h for h in hours if h["model_semver"] == row["model_semver"]]
        row |= rates(row) | dwell(own_hours)
    return Ranker(versions, [row | rates(row) for row in hours])


def rates(row: Row) -> dict[str, Estimate | None]:
    """Likes, saves and negatives per impression; regrets per like given, None where an old row does not know them."""
    of = {name: (row[f"{name}s"], row["impressions"]) for name in ("like", "save", "negative")}
    of["regret"] = (row["regrets"], row["likes_given"] or 0)
    return {name: intervals.rate(count, total, row["viewers"]) for name, (count, total) in of.items()}


def dwell(hours: list[Row]) -> dict[str, Estimate | None]:
    """Dwell of a version: per impression, which counts 0 without a beat, and the average of those who stayed."""
    sums = [h["dwell_ms_sum"] for h in hours]
    return {
        "dwell": intervals.mean(sums, [h["impressions"] for h in hours]),
        "stayed": intervals.mean(sums, [h["dwell_count"] for h in hours]),
    }


def _ingest(spark: SparkSession, settings: Settings, interval: Interval, ledger: Ledger) -> Ingest:
    start, end = interval
    entries = operations.in_range(ledger, interval)
    return Ingest(
        run_page_query(spark, settings, "ingest_hours", start=start, end=end),
        run_page_query(spark, settings, "ingest_events", start=start, end=end),
        heartbeats.count(ledger, entries),
        run_page_query(spark, settings, "busiest_posts", start=start, end=end),
        operations.skews(entries),
        settings.quarantine_share,
    )


def _safety(spark: SparkSession, settings: Settings, interval: Interval) -> Safety:
    start, end = interval
    judged = {"start": start, "end": end, "min_impressions": MIN_IMPRESSIONS}
    limits = {"floor": FLOOR, "rise": RISE, "limit": QUEUE_LIMIT}
    queue = run_named_query(spark, settings, "brand_safety_velocity", **limits, **judged)
    fastest = run_page_query(spark, settings, "fastest_post", **judged)
    worst = list(dict.fromkeys(row["post_id"] for row in queue))[:POSTS_DRAWN]
    worst_posts = run_page_query(spark, settings, "post_hours", start=start, end=end, post_ids=worst) if worst else []
    shown = [row["post_id"] for row in queue[:QUEUE_SHOWN]]
    described = run_page_query(spark, settings, "posts_now", post_ids=shown, end=end) if shown else []
    hours = run_page_query(spark, settings, "safety_hours", floor=FLOOR, **judged)
    return Safety(queue, {r["post_id"]: r for r in described}, hours, fastest[0] if fastest else None, worst_posts)
