"""For any landed file, the reader raises only GateFailed, loses no record, and accepts every valid record."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from soak.hostile import Batch, land
from support.local_lake import local_settings
from support.rows import at

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.summary import Summary
from etl.engine.sql import views
from etl.errors import GateFailed

LANDED = [table for table in catalog.tables() if table.event]
NUMBER = int(os.environ.get("FEED_ETL_FUZZ", 0))


def run(spark: SparkSession, settings: Settings, clock: str, to: str) -> Summary:
    """Run one hour for all tables of landed records. Any share of bad records is allowed."""
    patient = settings.model_copy(update={"quarantine_share": 1.0})
    return runner.run(spark, patient, at(clock), at(to), tables=[t.name for t in LANDED])


def check(spark: SparkSession, settings: Settings, landed: Batch) -> None:
    """Readable files: every record is accepted or quarantined, valid ones are accepted. Broken files fail audits."""
    read = run(spark, settings, "10:00", "11:00")
    assert not read.errors, read.errors
    entries = {e.table_name: e for e in read.entries}
    for table in LANDED:
        assert table.event
        entry, name = entries[table.name], table.event.name
        assert entry.records_read == landed.records[name], name
        assert entry.records_accepted + entry.records_quarantined == entry.records_read
        key = table.event.fields[0].name
        found = {row[0] for row in delta.read(spark, views.uri(settings, table)).select(key).distinct().collect()}
        assert landed.valid_ids[name] <= found, name
    broken = run(spark, settings, "11:00", "12:00").errors
    assert set(broken) == {t.name for t in LANDED if t.event and landed.broken[t.event.name]}
    assert all(isinstance(error, GateFailed) for error in broken.values()), broken


def test_hostile_files_of_every_event_in_one_run(spark: SparkSession, tmp_path: Path) -> None:
    """About a hundred files with bad content of every kind, and Parquet files of any shape."""
    settings = local_settings(tmp_path)
    check(spark, settings, land(Path(settings.landing), 105, NUMBER, columnar=4))


@pytest.mark.slow
def test_thousands_of_hostile_files(spark: SparkSession, tmp_path: Path) -> None:
    """Another batch with more files in a run; `make soak` runs many batches."""
    settings = local_settings(tmp_path)
    check(spark, settings, land(Path(settings.landing), 1400, NUMBER + 1, columnar=20))
