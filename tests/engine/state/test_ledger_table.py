"""The ledger as a Delta table: it stays in few files after many commits, and parallel runs lose no row."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl.engine.delta import tables as delta
from etl.engine.jobs import recovery
from etl.engine.state import ledger_table
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger

TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)


def entry(ledger: Ledger, number: int) -> Entry:
    """A row with a value in each type of column."""
    found = Entry(f"run-{number}", "fct_shares", ledger.now(), TEN, table_id="x", output_version=number)
    found.processed_hours, found.affected_hours = [TEN], {"share_hour": [TEN]}
    found.shard_number, found.shard_count, found.seen_version, found.kept_from = 1, 2, number, TEN
    found.logic_version, found.contradictions, found.corrections, found.reaches_to = 2, 3, 0, TEN
    found.published_hours = [{"hour": TEN, "row_count": number, "checksum": "1-2"}]
    found.input_versions, found.input_ids, found.metrics = {"bronze_shares": number}, {"bronze_shares": "y"}, {"m": 0.5}
    return found


def test_parallel_appends_keep_every_row_in_few_files(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two parallel runs, each with its own `Ledger`."""
    monkeypatch.setattr(ledger_table, "MAX_FILES", 3)
    lake = tmp_path.as_uri()
    Ledger(spark, lake)

    def append(numbers: range) -> list[Entry]:
        ledger, appended = Ledger(spark.newSession(), lake), []
        for number in numbers:
            appended.append(entry(ledger, number))
            ledger.append(appended[-1])
            ledger.flush()
        return appended

    with ThreadPoolExecutor(2) as pool:
        wanted = [row for appended in pool.map(append, (range(5), range(5, 10))) for row in appended]
    found = Ledger(spark, lake)
    assert delta.number_of_files(spark, found.uri) <= 4
    assert sorted(map(repr, found.entries)) == sorted(map(repr, wanted))


def test_times_of_ledger_rows_are_in_utc(spark: SparkSession, tmp_path: Path) -> None:
    ledger = Ledger(spark, tmp_path.as_uri())
    ledger.append(entry(ledger, 1))
    ledger.flush()
    (read,) = Ledger(spark, tmp_path.as_uri()).entries
    assert read.processed_hours == [TEN] and read.processed_hours[0].isoformat() == TEN.isoformat()
    assert read.started_at.utcoffset() == TEN.utcoffset()


def test_state_that_earlier_releases_kept_among_the_metrics_is_typed(spark: SparkSession, tmp_path: Path) -> None:
    """A row on disk, and the row that a commit carries."""
    metrics = {"shard": 2.0, "shards": 4.0, "seen_version": 17.0, "kept_from": TEN.timestamp(), "logic_version": 2.0,
               "condensed_to": TEN.timestamp(), "corrections": 5.0, "skew": 1.25}  # fmt: skip
    old = {"run_id": "old", "table_name": "fct_shares", "started_at": TEN, "metrics": metrics, "handled": [TEN]}

    ledger_table.create(spark, f"{tmp_path.as_uri()}/_ledger")
    spark.createDataFrame([old], ledger_table.SCHEMA).write.format("delta").mode("append").save(
        f"{tmp_path.as_uri()}/_ledger"
    )
    (read,) = Ledger(spark, tmp_path.as_uri()).entries
    carried = recovery.from_commit(json.dumps(old, default=lambda v: {"t": v.isoformat()}), 3)

    for found in (read, carried):
        assert found.shard and (found.shard.number, found.shard.count) == (2, 4)
        assert (found.seen_version, found.logic_version, found.corrections) == (17, 2, 5)
        assert (found.kept_from, found.compacted_to, found.processed_hours) == (TEN, TEN, [TEN])
        assert found.metrics == {"skew": 1.25}
