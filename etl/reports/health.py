"""Everything the dashboard says, as values: read once from rollups and ledger, then only drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.spark.files import absolute
from etl.engine.state import planner
from etl.engine.state.ledger import Ledger
from etl.errors import LakeError
from etl.reports import intervals, operations
from etl.reports.intervals import Estimate
from etl.reports.questions import Row, ask, ask_named
from etl.subjects.ads.dashboard import health as ads_health
from etl.subjects.ads.dashboard.health import Ads

DEFAULT_DAYS = 7
MIN_IMPRESSIONS = 1000  # brand safety: a post-hour with no more is noise
FLOOR = 0.005  # negative rate that needs a look
RISE = 0.003  # rise over the hour before that needs one now
QUEUE_LIMIT = 100_000  # the tile counts them all
QUEUE_SHOWN = 50
POSTS_DRAWN = 5


@dataclass(frozen=True)
class Ranker:
    """Model versions, oldest first, with the estimates of each; their hours; the newest one against its baseline."""

    versions: list[Row]
    hours: list[Row]

    @property
    def newest(self) -> Row | None:
        """The version deployed last."""
        return self.versions[-1] if self.versions else None

    @property
    def baseline(self) -> Row | None:
        """Of the other versions the one shown most."""
        return max(self.versions[:-1], key=lambda v: v["impressions"], default=None)


@dataclass(frozen=True)
class Ingest:
    """What landed: by hour, by event (the row of all events has event None), heartbeats, busiest posts, skew."""

    hours: list[Row]
    events: list[Row]
    heartbeats: operations.Heartbeats
    busiest: list[Row]
    skews: list[operations.Skew]

    @property
    def total(self) -> Row | None:
        return next((row for row in self.events if row["event"] is None), None)

    @property
    def expected(self) -> float | None:
        """Impressions to expect of an hour: the median of the hours before the newest. None without any."""
        before = [row["impressions"] for row in self.hours[:-1]]
        return median(before) if before else None


NOTHING_LANDED = Ingest([], [], operations.Heartbeats(0, 0, 0, 0), [], [])


@dataclass(frozen=True)
class Safety:
    """The review queue, worst first, and what its posts are; hours; the fastest riser; the worst posts by hour."""

    queue: list[Row]
    told: dict[int, Row]
    hours: list[Row]
    fastest: Row | None
    posts: list[Row]


@dataclass(frozen=True)
class Health:
    """One environment over a half-open range of hours.

    Of the feed there is nothing where it is not among the subjects that ran; `ads` is None where they are not.
    """

    lake: str
    interval: operations.Interval
    allowed_quarantine: float
    subjects: list[str]
    ranker: Ranker
    ingest: Ingest
    safety: Safety
    ads: Ads | None
    gates: list[operations.Gate]
    landed: datetime | None
    freshness: list[operations.Freshness]
    costs: list[operations.Cost]
    runs: dict[str, float]
    coverage: dict[str, set[datetime]]
    landed_hours: dict[str, operations.Events] = field(default_factory=dict)  # by subject

    @property
    def hours(self) -> list[datetime]:
        return planner.hours_between(*self.interval)


def collect(spark: SparkSession, settings: Settings, interval: operations.Interval | None) -> Health:
    """The health of a lake; without a range, of its last seven days. Raises LakeError when nothing is in it yet."""
    ledger = Ledger.existing(spark, absolute(settings.lake))
    ran = operations.subjects(ledger.entries)
    has_feed = "feed" in ran
    interval = interval or _last_days(ledger, ran)
    entries = operations.in_range(ledger, interval)
    return Health(
        lake=settings.lake,
        interval=interval,
        allowed_quarantine=settings.quarantine_share,
        subjects=ran,
        ranker=_ranker(spark, settings, interval) if has_feed else Ranker([], []),
        ingest=_ingest(spark, settings, interval, ledger) if has_feed else NOTHING_LANDED,
        safety=_safety(spark, settings, interval) if has_feed else Safety([], {}, [], None, []),
        ads=ads_health.collect(spark, settings, interval) if "ads" in ran else None,
        gates=operations.gates(ledger),
        landed=operations.newest_landed(ledger),
        freshness=operations.freshness(ledger),
        costs=operations.costs(entries),
        runs=operations.runs(entries),
        coverage=operations.coverage(ledger, interval),
        landed_hours={name: operations.landed_hours(ledger, interval, name) for name in ran},
    )


def _last_days(ledger: Ledger, ran: list[str]) -> operations.Interval:
    """Up to the newest landed hour that runs have seen, or found late: of a standstill nothing has landed."""
    hours = operations.landed(ledger, ran)
    if hours:
        hours |= operations.late_hours(ledger)
    if not hours:
        raise LakeError(f"Nothing has landed in {ledger.uri} yet. Run `feed-etl run` first.")
    end = max(hours) + planner.HOUR
    return max(min(hours), end - timedelta(days=DEFAULT_DAYS)), end


def _ranker(spark: SparkSession, settings: Settings, interval: operations.Interval) -> Ranker:
    start, end = interval
    hours = ask(spark, settings, "model_hours", start=start, end=end)
    versions = ask(spark, settings, "model_versions", start=start, end=end)
    for row in versions:
        mine = [h for h in hours if h["model_semver"] == row["model_semver"]]
        dwell = intervals.mean([h["dwell_ms_sum"] for h in mine], [h["dwell_count"] for h in mine])
        row |= rates(row) | {"dwell": dwell}
    return Ranker(versions, [row | rates(row) for row in hours])


def rates(row: Row) -> dict[str, Estimate | None]:
    """like, save, negative per impression; regret per like that was kept or regretted."""
    of = {name: (row[f"{name}s"], row["impressions"]) for name in ("like", "save", "negative")}
    of["regret"] = (row["regrets"], row["likes"] + row["regrets"])
    return {name: intervals.rate(count, total, row["viewers"]) for name, (count, total) in of.items()}


def _ingest(spark: SparkSession, settings: Settings, interval: operations.Interval, ledger: Ledger) -> Ingest:
    start, end = interval
    entries = operations.in_range(ledger, interval)
    return Ingest(
        ask(spark, settings, "ingest_hours", start=start, end=end),
        ask(spark, settings, "ingest_events", start=start, end=end),
        operations.heartbeats(ledger, entries),
        ask(spark, settings, "busiest_posts", start=start, end=end),
        operations.skews(entries),
    )


def _safety(spark: SparkSession, settings: Settings, interval: operations.Interval) -> Safety:
    over = {"start": interval[0], "end": interval[1], "min_impressions": MIN_IMPRESSIONS}
    judged = {"floor": FLOOR, "rise": RISE, "limit": QUEUE_LIMIT}
    queue = ask_named(spark, settings, "brand_safety_velocity", **judged, **over)
    fastest = ask(spark, settings, "fastest_post", **over)
    worst = list(dict.fromkeys(row["post_id"] for row in queue))[:POSTS_DRAWN]
    posts = ask(spark, settings, "post_hours", start=interval[0], end=interval[1], post_ids=worst) if worst else []
    shown = [row["post_id"] for row in queue[:QUEUE_SHOWN]]
    told = (
        {r["post_id"]: r for r in ask(spark, settings, "posts_now", post_ids=shown, end=interval[1])} if shown else {}
    )
    hours = ask(spark, settings, "safety_hours", floor=FLOOR, **over)
    return Safety(queue, told, hours, fastest[0] if fastest else None, posts)
