"""The feed on the dashboard: rankers, ingest and brand safety. Source: the feed specification, section 7.

The interface is the one of `etl/reports/section.py`. `health.py` reads the lake, `tiles.py` and `figures.py` draw.
`virality.py` is a page of its own: the share tree of one post.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.state.ledger import Ledger
from etl.reports import late_hours
from etl.reports.health import Health
from etl.reports.operations import Interval
from etl.reports.section import Section
from etl.subjects.feed.dashboard import cards, figures, health, tiles
from etl.subjects.feed.dashboard.health import Feed

SUBJECT = "feed"
_RANKER = (
    "Intervals count each distinct viewer once, because impressions of one viewer are not independent. The interval of "
    "dwell comes from the variation between hours. To decide whether to ship a model, use the query ranker_lift."
)


def collect(spark: SparkSession, settings: Settings, interval: Interval, ledger: Ledger) -> Feed:
    """Everything the sections show of a half-open range of hours, read once."""
    return health.collect(spark, settings, interval, ledger)


def sections(found: Feed, page: Health) -> list[Section]:
    """Ranker, ingest and safety, in this order."""
    return [
        Section("ranker", "Ranker health", list(tiles.ranker(found.ranker)),
                list(figures.ranker(found.ranker, page.hours)), _RANKER),
        Section("ingest", "Ingest health",
                [*tiles.ingest(found.ingest), *late_hours.tiles(SUBJECT, page)],
                [*late_hours.figures(SUBJECT, page), *figures.ingest(found.ingest, page.hours)],
                cards=[cards.landed(found.ingest)]),
        Section("safety", "Safety health", list(tiles.safety(found.safety)),
                list(figures.safety(found.safety, page.hours)), cards=[cards.review_queue(found.safety)]),
    ]  # fmt: skip
