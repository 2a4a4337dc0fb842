"""Extreme values of every type, from landing to queries and the dashboard: a bad record stops only itself."""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from soak.hostile import draw, valid_record
from support.rows import at, record

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.summary import Summary
from etl.engine.sql import views
from etl.errors import FeedEtlError
from etl.model.contract import Column, Event
from etl.queries import named_query, run
from etl.reports import dashboard
from etl.subjects.ads.events import ADVERTISERS
from etl.subjects.feed.events import RANKER_MODELS

NUMBER = int(os.environ.get("FEED_ETL_FUZZ", 0))
HOUR = "hour=2026-06-01T10"
TIMES = (
    "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1582-10-10T00:00:00Z",
    "1899-12-31T23:59:59Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z", "2038-01-19T03:14:08Z",
    "2200-01-01T00:00:00Z", "2262-04-12T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999-14:00",
    "2016-12-31T23:59:60Z", "2026-06-01T10:00:00.123456789Z", "2026-06-01T10:59:59.999999Z",
)  # fmt: skip
DAYS = ("0001-01-01", "0000-12-31", "1582-10-10", "1970-01-01", "2026-05-31", "2026-07-02", "2062-06-01", "9999-12-31",
        "20260601", "2026-06", "2026-02-29", 20605)  # fmt: skip
WHOLE = (-(2**63), -(2**31) - 1, -1, 0, 1, 2**15, 2**31, 2**32, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 10**30)
NUMBERS = (-1e308, -1, -0.0, 5e-324, 0.005, 0.01, 0.1, 1, 9_999_999_999.99, 10**10, 999_999, 1e25, 1e308, 10**400)
TEXTS = ("", " ", "\0", "\u2028", "é" * 1000, "😀", "9" * 40, "NULL", "nan", "=1+1", "a\nb\r\nc", "<b>", "\ufffd")
ZONES = ("Pacific/Kiritimati", "Pacific/Niue", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC")
EXTREME: dict[str, tuple[Any, ...]] = {
    "TIMESTAMP": TIMES, "DATE": DAYS, "BIGINT": WHOLE, "INT": WHOLE, "SMALLINT": WHOLE, "DECIMAL": NUMBERS,
    "STRING": TEXTS, "BOOLEAN": (True, False, "true", 0),
    "ARRAY<BIGINT>": ([], [None], [2**63 - 1], [2**63], [1.5], [[]]),
}  # fmt: skip


def extreme(field: Column) -> st.SearchStrategy[Any]:
    """Values at and beyond the limits of a field's type, its allowed values, and NULL."""
    values = (*EXTREME[field.type.split("(")[0]], None, *field.values)
    return st.sampled_from(values + (ZONES if field.name == "time_zone" else ()))


@st.composite
def records(draw: Any, event: Event) -> dict[str, Any]:
    """A valid record with few keys, in which one to three fields are extreme."""
    fields = {f.name: f for f in event.fields}
    names = draw(st.sets(st.sampled_from(sorted(fields)), min_size=1, max_size=3))
    base = valid_record(event, draw(st.integers(1, 9)))
    return base | {name: draw(extreme(fields[name])) for name in sorted(names)}


def land(settings: Settings, events: list[Event], count: int) -> dict[str, Counter[str]]:
    """Land `count` extreme records of each event in one hour, and one valid record with its own number."""
    landed: dict[str, Counter[str]] = {}
    for number, event in enumerate(events):
        zone = {"time_zone": "UTC"} if event is ADVERTISERS else {}
        good = record(event, **valid_record(event, 77) | zone)
        drawn = draw(records(event), count, NUMBER + number)
        if event is RANKER_MODELS:  # an id is of one version: with two, the gate of the dimension closes
            drawn = list({str(r["ranker_model_id"]): r for r in drawn}.values())
        lines = [json.dumps(r) for r in (*drawn, good)]
        folder = Path(settings.landing) / event.name / HOUR
        folder.mkdir(parents=True)
        (folder / "a.jsonl").write_text("\n".join(lines) + "\n")
        landed[event.name] = Counter(lines=len(lines))
    return landed


def run_without_errors(spark: SparkSession, settings: Settings, tables: list[str]) -> Summary:
    """Run one hour without any error; a second run finds nothing to do."""
    patient = settings.model_copy(update={"quarantine_share": 1.0})
    summary = runner.run(spark, patient, at("10:00"), at("11:00"), tables=tables)
    assert not summary.errors, summary.errors
    assert not summary.skipped
    again = runner.run(spark, patient, at("10:00"), at("11:00"), tables=tables)
    assert not again.errors and not again.entries
    return summary


def out_of_bounds(spark: SparkSession, settings: Settings, table: str) -> int:
    """Number of rows with a day or instant outside the configured bounds."""
    made = catalog.entry(table).table
    times = [c.name for c in made.columns if c.type in ("DATE", "TIMESTAMP")]
    low, high = F.lit(settings.min_day), F.lit(settings.max_day + timedelta(days=1))
    rows = delta.read(spark, views.uri(settings, made))
    return rows.where(~F.least(*[F.col(t).between(low, high) for t in times], F.lit(True))).count() if times else 0


@pytest.mark.parametrize(
    ("last", "query_names"),
    [
        pytest.param(["rec_spend_daily", "dim_posts"], ["spend_reconciliation"], id="money and posts"),
        pytest.param(None, list(named_query.names()), id="everything", marks=pytest.mark.slow),
    ],
)
def test_extreme_records_are_processed_from_landing_to_the_dashboard(
    spark: SparkSession, settings: Settings, tmp_path: Path, last: list[str] | None, query_names: list[str]
) -> None:
    """Every record is accepted or quarantined, every table is built, and every query and the dashboard run."""
    before = {each.name for table in last or [] for each in catalog.upstream(catalog.entry(table).table)}
    chosen = before | set(last or catalog.entries())
    tables = [entry.table for entry in catalog.select(sorted(chosen)) if catalog.has_job(entry.table)]
    events = [t.event for t in tables if t.event]
    landed = land(settings, events, 60 if last else 400)
    summary = run_without_errors(spark, settings, [t.name for t in tables])
    for entry in summary.entries:
        event = catalog.entry(entry.table_name).table.event
        if event:
            assert entry.records_read == landed[event.name]["lines"]
            assert entry.records_accepted + entry.records_quarantined == entry.records_read
            assert entry.records_accepted > 0
    assert {t.name: n for t in tables if (n := out_of_bounds(spark, settings, t.name))} == {}
    for name in query_names:
        needed = {p.name: 1 for p in named_query.load(name).parameters.values() if p.is_required}
        try:
            run(spark, settings, name, **needed).collect()
        except FeedEtlError as error:
            assert "See docs/runbook.md" not in str(error), error
    if last is None:  # the dashboard reads every table
        assert dashboard.write(spark, settings, tmp_path / "page.html").stat().st_size > 10_000
