"""A folded ledger answers what the whole one answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from places import END, START
from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine import delta, planner, runner
from etl.engine.ledger import Ledger
from etl.maintenance import fold

TOMORROW = datetime.now(UTC) + timedelta(days=1)


def answers(ledger: Ledger) -> dict[str, object]:
    """What runs and backfills ask of the ledger, by table."""
    return {
        t.name: (
            ledger.fingerprints(t.name),
            ledger.state(t.name),
            ledger.logic(t.name),
            ledger.kept_from(t.name),
            set(ledger.consumed(t.name)),
            planner.due(ledger, t, None),
        )
        for t in catalog.tables()
    }


def test_a_folded_ledger_has_a_row_per_table_and_answers_as_before(spark: SparkSession, copied: Settings) -> None:
    work = runner.open_work(spark, copied)
    before = answers(work.ledger)
    fold.fold(work, TOMORROW)
    after = runner.open_work(spark, copied).ledger
    assert answers(after) == before
    assert len(after.entries) == len({e.table_name for e in after.entries})
    assert runner.run(spark, copied, START, END).entries == []


def test_rows_within_their_time_stay_as_they_are(spark: SparkSession, copied: Settings) -> None:
    work = runner.open_work(spark, copied)
    before = work.ledger.entries
    version = delta.current_version(spark, work.ledger.uri)
    fold.fold(work, datetime(2026, 1, 1, tzinfo=UTC))
    assert delta.current_version(spark, work.ledger.uri) == version + 1
    assert sorted(map(str, runner.open_work(spark, copied).ledger.entries)) == sorted(map(str, before))
