"""The ads on the dashboard: delivery, money, clicks and conversions. Source: the questions of the ads specification.

The interface is the one of `etl/reports/section.py`. `health.py` reads the lake, `tiles.py` and `figures.py` draw.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.state.ledger import Ledger
from etl.reports import late_hours
from etl.reports.health import Health
from etl.reports.operations import Interval
from etl.reports.section import Section
from etl.subjects.ads.dashboard import figures, health, tiles
from etl.subjects.ads.dashboard.health import Ads

SUBJECT = "ads"
_MONEY = (
    "Days of money are days in the advertiser's time zone; days of sessions and conversions are UTC days. A campaign "
    "day gains conversions until it is locked, seven days after its end. Its earnings are final only then."
)
_FACTS = "from the ads facts of clicks, impressions and conversions"


def collect(spark: SparkSession, settings: Settings, interval: Interval, ledger: Ledger) -> Ads:
    """Everything the section shows of a half-open range of hours, read once. The ledger is not needed."""
    return health.collect(spark, settings, interval)


def sections(found: Ads, page: Health) -> list[Section]:
    """One section for all of ads."""
    shown_tiles = [*tiles.ads(found), *late_hours.tiles(SUBJECT, page)]
    shown_figures = [*late_hours.figures(SUBJECT, page), *figures.ads(found, page.hours)]
    return [Section("ads", "Ads", shown_tiles, shown_figures, _MONEY, sources=_FACTS)]
