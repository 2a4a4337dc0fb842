"""The dashboard: the health of a lake on one page, for people who run the feed and the ads.

Source of what it must show: the feed specification, section 7, and the questions of the ads specification.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.reports import dashboard_figures as figures
from etl.reports import dashboard_tiles as tiles
from etl.reports import health, late_hours, pages
from etl.reports.charts import number, percent
from etl.reports.dashboard_tiles import Tile
from etl.reports.figure import Figure
from etl.reports.health import QUEUE_SHOWN, Health
from etl.reports.operations import Interval
from etl.reports.questions import Row
from etl.subjects.ads.dashboard import figures as ads_figures
from etl.subjects.ads.dashboard import tiles as ads_tiles

_RANKER = (
    "Intervals count each distinct viewer once, because impressions of one viewer are not independent; dwell's come "
    "from how hours differ. Whether to ship a model is for the query ranker_lift."
)
_MONEY = (
    "Days of money are the advertiser's, days of sessions and conversions UTC's. A campaign's day gains conversions "
    "until it is locked, seven days after its end: what it earned is final only then."
)


@dataclass(frozen=True)
class Section:
    """A heading with its tiles and charts."""

    name: str
    title: str
    tiles: list[Tile]
    figures: list[Figure]
    note: str = ""


def write(spark: SparkSession, settings: Settings, out: Path, interval: Interval | None = None) -> Path:
    """Write the page of a lake over a range of hours (its last seven days without one); returns where it is."""
    return pages.write(page(health.collect(spark, settings, interval)), out)


def page(found: Health) -> str:
    """The page's HTML."""
    sections = _sections(found)
    every = [tile for section in sections for tile in section.tiles]
    fresh = {f.table.name: f for f in found.freshness}
    return pages.render(
        "dashboard.html.j2",
        health=found,
        title=f"{' and '.join(found.subjects).capitalize()} health",
        sections=sections,
        verdict=_verdict(every),
        first=f"{found.interval[0]:%Y-%m-%d %H:00}",
        last=f"{found.interval[1]:%Y-%m-%d %H:00}",
        queue=found.safety.queue[:QUEUE_SHOWN],
        queued=len(found.safety.queue),
        gates=[(g, fresh.get(g.table.name)) for g in found.gates],
        events=_events(found),
        last_run=max((g.judged.run_id for g in found.gates if g.judged), default="none"),
    )


def _sections(found: Health) -> list[Section]:
    operations = Section("operations", "Operations", list(tiles.operations(found)), list(figures.operations(found)))
    return [operations, *(_feed(found) if "feed" in found.subjects else []), *_ads(found)]


def _feed(found: Health) -> list[Section]:
    return [
        Section("ranker", "Ranker health", list(tiles.ranker(found.ranker)), list(figures.ranker(found)), _RANKER),
        Section("ingest", "Ingest health",
                [*tiles.ingest(found.ingest, found.allowed_quarantine), *_late_tile(found, "feed")],
                [*_late_figure(found, "feed"), *figures.ingest(found)]),
        Section("safety", "Safety health", list(tiles.safety(found.safety)), list(figures.safety(found))),
    ]  # fmt: skip


def _ads(found: Health) -> list[Section]:
    if found.ads is None:
        return []
    shown = list(ads_figures.ads(found.ads, found.hours))
    ours = [*ads_tiles.ads(found.ads), *_late_tile(found, "ads")]
    return [Section("ads", "Ads", ours, [*_late_figure(found, "ads"), *shown], _MONEY)]


def _late_tile(found: Health, subject: str) -> list[Tile]:
    events = found.landed_hours.get(subject)
    return [late_hours.tile(f"late-hours-{subject}", events)] if events else []


def _late_figure(found: Health, subject: str) -> list[Figure]:
    events = found.landed_hours.get(subject)
    return [late_hours.figure(f"completeness-{subject}", events, found.hours)] if events else []


def _verdict(every: Iterable[Tile]) -> str:
    names = {state: [t.title for t in every if t.state == state] for state in ("alarm", "watch")}
    said = [f"{len(found)} {state}: {', '.join(found).lower()}" for state, found in names.items() if found]
    return "; ".join(said) or "all as it should be"


def _events(found: Health) -> dict[str, list[str] | list[list[str]]]:
    """What landed as a table: an event a line, then all of them, then heartbeats, which only runs have counted."""
    columns = ["Event", "Accepted", "Quarantined", "Quarantine share", "Late share", "Lag P50, min", "P90", "P99"]
    named = sorted(found.ingest.events, key=lambda r: (r["event"] is None, r["event"]))
    rows = [_event(r["event"] or "all of these", r) for r in named]
    beats = found.ingest.heartbeats
    share = percent(beats.quarantined / beats.read) if beats.read else ""
    rows.append(["heartbeats", number(beats.accepted), number(beats.quarantined), share, "", "", "", ""])
    return {"columns": columns, "rows": rows}


def _event(name: str, row: Row) -> list[str]:
    read = row["accepted"] + row["quarantined"]
    lags = [number(row[c] / 60) if row[c] is not None else "" for c in ("lag_p50", "lag_p90", "lag_p99")]
    late = percent(row["late"] / row["facts"]) if row["facts"] else ""
    quarantined = percent(row["quarantined"] / read) if read else ""
    return [name, number(row["accepted"]), number(row["quarantined"]), quarantined, late, *lags]
