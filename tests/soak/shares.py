"""A lake into which shares land one at a time, and checks that must hold after any accident."""

from __future__ import annotations

import json
from pathlib import Path

from pyspark.sql import SparkSession
from support.local_lake import END, START

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.summary import Summary
from etl.engine.sql import views

TABLES = ["bronze_shares", "fct_shares"]
FACTS = catalog.entry("fct_shares").table


def land(settings: Settings, number: int, hour: int = 10, shared: int = 8) -> None:
    """Land one share of hour `shared` in hour `hour`, with an atomic rename, as a producer must."""
    folder = Path(settings.landing) / "shares" / f"hour=2026-06-01T{hour:02}"
    folder.mkdir(parents=True, exist_ok=True)
    share = {"share_id": number, "original_post_id": 1, "shared_post_id": 2, "viewer_id": number, "channel": "dm"}
    hidden = folder / f"_{number}"
    hidden.write_text(json.dumps(share | {"share_ts": START.replace(hour=shared).isoformat()}) + "\n")
    hidden.rename(folder / f"{number}.jsonl")


def lake_with_share(spark: SparkSession, settings: Settings) -> Settings:
    """A lake with one share of hour 8 that landed in hour 10."""
    land(settings, 1)
    assert losses(spark, settings) == []
    return settings


def landed(settings: Settings) -> list[int]:
    """Numbers of the landed shares."""
    return sorted(int(f.stem) for f in Path(settings.landing).rglob("*.jsonl"))


def run(spark: SparkSession, settings: Settings) -> Summary:
    return runner.run(spark, settings, START, END, tables=TABLES)


def losses(spark: SparkSession, settings: Settings) -> list[str]:
    """Run everything that is due. Returns what is wrong: lost or repeated shares, a wrong ledger, work left to do."""
    found = [str(error) for error in run(spark, settings).errors.values()]
    rows = delta.read(spark, views.uri(settings, FACTS))
    ids = sorted(row[0] for row in rows.select("share_id").collect())
    if ids != landed(settings):
        odd = sorted(set(ids) ^ set(landed(settings)))
        found.append(f"{len(ids)} facts of {len(landed(settings))} shares; differing: {odd[:9]}")
    current = {hour: content.checksum for hour, content in checksums.by_hour(rows, FACTS).items()}
    known = runner.open_context(spark, settings).ledger.state(FACTS.name)
    if current != {hour: state["checksum"] for hour, state in known.items() if state["row_count"]}:
        found.append("the ledger and the table have different checksums")
    again = run(spark, settings)
    if again.entries or again.errors:
        found.append(f"a further run processes {[e.table_name for e in again.entries]}, {again.errors}")
    return found
