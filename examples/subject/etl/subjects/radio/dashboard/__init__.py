"""Radio on the dashboard: plays per station. The interface is the one of `etl/reports/section.py`."""

from __future__ import annotations

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.state.ledger import Ledger
from etl.reports import charts
from etl.reports.axes import number
from etl.reports.figure import Figure
from etl.reports.health import Health
from etl.reports.operations import Interval
from etl.reports.page_queries import Row, run_page_query
from etl.reports.section import Section
from etl.reports.tile import Tile


def collect(spark: SparkSession, settings: Settings, interval: Interval, ledger: Ledger) -> list[Row]:
    """Plays and seconds per station of a half-open range of hours, most plays first."""
    return run_page_query(spark, settings, "radio_stations", start=interval[0], end=interval[1])


def sections(found: list[Row], page: Health) -> list[Section]:
    """One section: the number of plays, and a bar per station."""
    total = sum(row["plays"] for row in found)
    tile = Tile("radio-plays", "Plays", number(total), total, "plain", f"of {len(found)} stations")
    plays = {str(row["station_id"]): float(row["plays"]) for row in found}
    rows = [[str(row["station_id"]), number(row["plays"])] for row in found]
    figure = Figure("radio-stations", "Plays per station", "plays by station id", f"{number(total)} plays in all.",
                    charts.bars("radio-stations", plays, number), ["Station", "Plays"], rows)  # fmt: skip
    return [Section("radio", "Radio", [tile], [figure] if found else [])]
