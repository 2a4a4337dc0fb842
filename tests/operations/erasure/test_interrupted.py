"""An erasure that was killed is run again, and its receipt has all that was done. Maintenance finds what runs add."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
from pyspark.sql import SparkSession
from soak import shares
from support.lakes import uri
from support.local_lake import END, START

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import ddl, runner
from etl.engine.jobs.run_context import RunContext, publish, record
from etl.engine.state.entry import Entry
from etl.operations.erasure import driver, landed, register, rewrites
from etl.operations.maintenance import driver as maintenance

VIEWER, OTHER = 4711000000017, 4711000000018


@pytest.fixture
def fed(spark: SparkSession, settings: Settings) -> Settings:
    """A lake with a share of each of two viewers."""
    for viewer in (VIEWER, OTHER):
        shares.land(settings, viewer)
    assert shares.losses(spark, settings) == []
    return settings


def erase_and_die(
    spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: str
) -> None:
    """Begin an erasure that is killed when it calls a function of a module."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(module, step, die)
        with pytest.raises(KeyboardInterrupt):
            driver.erase(spark, settings, [VIEWER], "ticket 17")


def test_the_receipt_of_a_repeated_erasure_has_what_the_killed_one_did(
    spark: SparkSession, fed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase_and_die(spark, fed, monkeypatch, register, "write")
    receipt = driver.erase(spark, fed, [VIEWER], "ticket 17")
    done = {name: (found["rule"], found["rows"]) for name, found in receipt["tables"].items() if "rows" in found}
    assert done == {name: ("replacement id", 1) for name in shares.TABLES}
    assert receipt["complete"] and register.receipts(spark, f"file://{fed.lake}") == [receipt]


def test_files_that_a_killed_erasure_rewrote_are_not_read_as_new(
    spark: SparkSession, fed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed when it has rewritten a file, and before the ledger knows."""
    erase_and_die(spark, fed, monkeypatch, landed, "_record_rewritten")
    assert driver.erase(spark, fed, [VIEWER], "ticket 17")["complete"]

    summary = runner.run(spark, fed, START, END, tables=list(shares.TABLES))

    assert not summary.errors and not summary.entries
    assert not list(Path(fed.landing).rglob(rewrites.FILE))


def test_a_file_that_its_producer_replaced_after_a_killed_erasure_is_read(
    spark: SparkSession, fed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase_and_die(spark, fed, monkeypatch, landed, "_record_rewritten")
    (note,) = Path(fed.landing).rglob(rewrites.FILE)
    (name,) = json.loads(note.read_text())
    replaced = note.with_name(name)
    replaced.write_text(replaced.read_text() * 2)
    assert driver.erase(spark, fed, [VIEWER], "ticket 17")["complete"]

    summary = runner.run(spark, fed, START, END, tables=list(shares.TABLES))

    assert "bronze_shares" in {entry.table_name for entry in summary.entries}


@pytest.mark.slow
def test_the_next_maintenance_erases_what_a_run_under_way_quarantined_or_rejected(
    spark: SparkSession, fed: Settings
) -> None:
    """The run read its files before the erasure and began before the last sweep."""
    run_context = runner.open_context(spark, fed)
    began = run_context.begin(catalog.entry("quarantine").table)
    driver.erase(spark, fed, [VIEWER], "ticket 17")
    maintenance.maintain(spark, fed, END, dry_run=False)
    _quarantine(run_context, began)
    facts = delta.read(spark, uri(fed, "fct_shares")).where(f"viewer_id = {OTHER}")
    rejected = f"{fed.lake}/_rejected/fct_shares/some-run"
    facts.selectExpr(f"{VIEWER}L AS viewer_id").write.format("delta").save(rejected)
    maintenance.maintain(spark, fed, END, dry_run=False)
    assert [row["raw"] for row in delta.read(spark, uri(fed, "quarantine")).collect()] == [None]
    assert not Path(rejected).exists()


def _quarantine(run_context: RunContext, began: Entry) -> None:
    """Publish a quarantined record of the viewer."""
    table = catalog.entry("quarantine").table
    raw = json.dumps({"viewer_id": VIEWER, "share_id": "odd"})
    txn = Transaction(run_context.spark, run_context.uri(table))
    txn.stage(run_context.spark.createDataFrame([("shares", START, "a", raw, ["odd"])], ddl.schema(table)))
    began.affected_hours[table.hour] = [START]
    publish(run_context, table, txn, began, {})
    record(run_context, began)
    run_context.ledger.flush()
