"""The dashboard: one page on the health of a lake, for the people who run it.

The Operations section and the gates are the same for every lake. Each subject that ran adds its own sections with its
plugin (`etl/reports/section.py` has the interface). Sources of what the page shows: the feed specification, section 7,
and the questions of the ads specification.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.operations.erasure import written_pages
from etl.reports import health, operations_section, pages
from etl.reports.health import Health
from etl.reports.operations import Interval
from etl.reports.section import Section
from etl.reports.tile import Tile


def write(spark: SparkSession, settings: Settings, out: Path, interval: Interval | None = None) -> Path:
    """Write the page of a lake over an interval, by default its last seven days, and return the path of the file."""
    content = page(health.collect(spark, settings, interval))
    written_pages.record(spark, settings, out)
    return pages.write(content, out)


def page(found: Health) -> str:
    """The HTML of the page."""
    sections = _sections(found)
    fresh = {f.table.name: f for f in found.freshness}
    return pages.render(
        "dashboard.html.j2",
        health=found,
        title=f"{' and '.join(found.subjects).capitalize()} health",
        sections=sections,
        verdict=_verdict(tile for section in sections for tile in section.tiles),
        first=f"{found.interval[0]:%Y-%m-%d %H:00}",
        last=f"{found.interval[1]:%Y-%m-%d %H:00}",
        gates=[(g, fresh.get(g.table.name)) for g in found.gates],
        sources=[section.sources for section in sections if section.sources],
        last_run=max((g.judged.run_id for g in found.gates if g.judged), default="none"),
    )


def _sections(found: Health) -> list[Section]:
    sections = [operations_section.section(found)]
    for subject, part in found.parts.items():
        if dashboard := health.plugin(subject):
            sections += dashboard.sections(part, found)
    return sections


def _verdict(tiles: Iterable[Tile]) -> str:
    """`1 alarm: gates closed; 2 watch: late hours, hours behind`."""
    tiles = list(tiles)
    titles = {state: [t.title for t in tiles if t.state == state] for state in ("alarm", "watch")}
    parts = [f"{len(found)} {state}: {', '.join(found).lower()}" for state, found in titles.items() if found]
    return "; ".join(parts) or "no alarm and nothing to watch"
