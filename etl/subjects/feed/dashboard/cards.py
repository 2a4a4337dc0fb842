"""The tables below the charts of the feed: what landed by event, and the review queue."""

from __future__ import annotations

from etl.reports.axes import hour, number, percent
from etl.reports.page_queries import Row
from etl.reports.section import TableCard
from etl.subjects.feed.dashboard.health import QUEUE_SHOWN, Ingest, Safety


def landed(ingest: Ingest) -> TableCard:
    """A row per event, a row of all these events, and a row of heartbeats, which only the ledger counts."""
    columns = ["Event", "Accepted", "Quarantined", "Quarantine share", "Late share", "Lag P50, min", "P90", "P99"]
    by_name = sorted(ingest.events, key=lambda r: (r["event"] is None, r["event"]))
    rows = [_landed_row(r["event"] or "all of these", r) for r in by_name]
    beats = ingest.heartbeats
    share = percent(beats.quarantined / beats.read) if beats.read else ""
    rows.append(["heartbeats", number(beats.accepted), number(beats.quarantined), share, "", "", "", ""])
    return TableCard("What landed, by event", columns, rows)


def _landed_row(name: str, row: Row) -> list[str]:
    read = row["accepted"] + row["quarantined"]
    lags = [number(row[c] / 60) if row[c] is not None else "" for c in ("lag_p50", "lag_p90", "lag_p99")]
    late = percent(row["late"] / row["facts"]) if row["facts"] else ""
    quarantined = percent(row["quarantined"] / read) if read else ""
    return [name, number(row["accepted"]), number(row["quarantined"]), quarantined, late, *lags]


def review_queue(safety: Safety) -> TableCard:
    """The post-hours that a person should review, worst first."""
    shown = safety.queue[:QUEUE_SHOWN]
    cut = f", {len(shown)} of {len(safety.queue)} shown" if len(shown) < len(safety.queue) else ""
    return TableCard(
        "Review queue",
        ["Post", "Hour (UTC)", "Impressions", "Negative rate", "Rise, points", "Creator", "Caption"],
        [_queue_row(row, safety.posts[row["post_id"]]) for row in shown],
        anchor="queue",
        note=f"Worst first{cut}. Deleted posts are left out.",
        empty="Nothing waits for review.",
        text_columns=["Caption"],
    )


def _queue_row(row: Row, post: Row) -> list[str]:
    return [
        str(row["post_id"]),
        hour(row["hour"]),
        number(row["impressions"]),
        percent(row["negative_rate"]),
        f"+{100 * row['rise']:.2f}",
        post["handle"] or "unknown",
        post["caption"] or "none",
    ]
