"""A viewer is erased: the id is in no file any more, totals of posts are unchanged, and the id never comes back."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support import traces
from support.lakes import uri
from support.local_lake import END, START, Simulated
from test_order import content, recorded

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import runner
from etl.engine.jobs.run_context import publish, record
from etl.errors import ConfigError, ConflictError
from etl.model.contract import Table
from etl.model.privacy import REPLACEMENT_IDS_BELOW, VIEWER
from etl.operations.backfill import driver as backfills
from etl.operations.backfill import request
from etl.operations.erasure import driver, register, rules
from etl.operations.erasure.rules import Rule
from etl.operations.maintenance import driver as maintenance
from etl.operations.maintenance import sweep
from etl.operations.retention import window

PERSONAL = [t for t in catalog.tables() if rules.rule(t, VIEWER) and t.name in catalog.of_subjects(["feed"])]
PER_VIEWER = [t.name for t in PERSONAL if rules.rule(t, VIEWER) is Rule.REMOVE]
REASON = "ticket 17"
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Erased:
    """A lake after an erasure, the erased viewer, and the receipt."""

    settings: Settings
    viewer: int
    receipt: dict[str, Any]


def viewer_to_erase(spark: SparkSession, settings: Settings) -> int:
    """The viewer with the most engagements among viewers with a quarantined record."""
    raw = " ".join(r["raw"] or "" for r in delta.read(spark, uri(settings, "quarantine")).collect())
    ids = [int(i) for i in re.findall(r'"viewer_id": ?"?(\d+)', raw)]
    acts = delta.read(spark, uri(settings, "fct_engagements")).where(f"viewer_id IN ({', '.join(map(str, ids))})")
    return int(acts.groupBy("viewer_id").count().orderBy("count", "viewer_id").collect()[-1]["viewer_id"])


@pytest.fixture(scope="module")
def erased(spark: SparkSession, shared: Settings) -> Iterator[Erased]:
    """A lake with a rejected batch that names the viewer, then the erasure."""
    viewer = viewer_to_erase(spark, shared)
    acts = delta.read(spark, uri(shared, "fct_engagements"))
    spark.conf.set(delta.METADATA, "")
    acts.write.format("delta").save(f"{shared.lake}/_rejected/fct_engagements/some-run")
    receipt = driver.erase(spark, shared, [viewer], REASON)
    yield Erased(shared, viewer, receipt)


def without_personal_tables(contents: dict[str, Any]) -> dict[str, Any]:
    """The contents of tables without personal columns, which must not change."""
    personal = {t.name for t in PERSONAL}
    return {name: state for name, state in contents.items() if name not in personal}


def test_the_id_is_in_no_file_of_lake_and_landing_zone(erased: Erased, simulated: Simulated) -> None:
    """Data, logs, statistics, checkpoints and landed files of all formats. Before the erasure it was in many files."""
    assert len(traces.of(erased.viewer, str(simulated.lake), str(simulated.landing))) > 10
    assert traces.of(erased.viewer, erased.settings.lake, erased.settings.landing) == []


def test_totals_of_posts_and_models_are_unchanged(spark: SparkSession, erased: Erased, simulated: Simulated) -> None:
    assert without_personal_tables(content(spark, erased.settings)) == without_personal_tables(
        content(spark, simulated.settings)
    )


@pytest.mark.parametrize("table", [t for t in PERSONAL if t.name not in PER_VIEWER], ids=lambda t: t.name)
def test_rows_stay_and_get_replacement_ids(
    spark: SparkSession, erased: Erased, simulated: Simulated, table: Table
) -> None:
    """The number of rows is unchanged. As many rows have a replacement id as the viewer had rows."""
    before, after = (delta.read(spark, uri(s, table.name)) for s in (simulated.settings, erased.settings))
    assert before.count() == after.count()
    if "viewer_id" in table.column_names:
        rows_of_viewer = before.where(f"viewer_id = {erased.viewer}").count()
        assert after.where(f"viewer_id < {REPLACEMENT_IDS_BELOW}").count() == rows_of_viewer


@pytest.mark.parametrize("table", PER_VIEWER)
def test_tables_per_viewer_lose_the_viewers_rows_and_no_other(
    spark: SparkSession, erased: Erased, simulated: Simulated, table: str
) -> None:
    before, after = (delta.read(spark, uri(s, table)) for s in (simulated.settings, erased.settings))
    assert before.where(f"viewer_id <> {erased.viewer}").exceptAll(after).isEmpty()
    assert after.where(f"viewer_id = {erased.viewer} OR viewer_id < {REPLACEMENT_IDS_BELOW}").isEmpty()


def test_the_ledger_has_the_checksums_of_the_tables(spark: SparkSession, erased: Erased) -> None:
    live = {name: {h: c.checksum for h, c in hours.items()} for name, hours in content(spark, erased.settings).items()}
    in_ledger = recorded(spark, erased.settings)
    not_empty = {name: {h: c for h, c in hours.items() if c != "0-0"} for name, hours in in_ledger.items()}
    assert not_empty == {name: hours for name, hours in live.items() if not name.startswith("dim_")}


def test_the_receipt_lists_what_was_erased_without_the_id(spark: SparkSession, erased: Erased) -> None:
    kept = register.receipts(spark, f"file://{erased.settings.lake}")
    assert kept == [erased.receipt]
    assert str(erased.viewer) not in json.dumps(kept)
    assert erased.receipt["complete"] and erased.receipt["reason"] == REASON
    assert {t.name for t in PERSONAL} == set(erased.receipt["tables"])
    assert all(found["gone_at"] for found in erased.receipt["tables"].values())
    assert erased.receipt["batches"] == ["_rejected/fct_engagements/some-run"]


def test_an_erasure_makes_no_hour_due(spark: SparkSession, erased: Erased) -> None:
    assert runner.run(spark, erased.settings, START, END).entries == []


def test_replayed_files_and_late_arriving_records_do_not_bring_the_viewer_back(
    spark: SparkSession, erased: Erased, simulated: Simulated
) -> None:
    """The original files land again, with one more record of the viewer, which gets a replacement id."""
    settings, before = erased.settings, without_personal_tables(content(spark, erased.settings))
    rows = {t.name: delta.read(spark, uri(settings, t.name)).count() for t in PERSONAL}
    shutil.copytree(simulated.landing, settings.landing, dirs_exist_ok=True)
    late = {
        "share_id": 77, "original_post_id": 1, "shared_post_id": 2, "viewer_id": erased.viewer,
        "share_ts": START.isoformat(), "channel": "late",
    }  # fmt: skip
    (Path(settings.landing) / "shares" / "hour=2026-06-01T10" / "late.jsonl").write_text(f"{json.dumps(late)}\n")
    assert not runner.run(spark, settings, START, END).errors
    assert traces.of(erased.viewer, settings.lake) == []
    shares = delta.read(spark, uri(settings, "fct_shares"))
    assert shares.where("share_id = 77").collect()[0]["viewer_id"] < REPLACEMENT_IDS_BELOW
    maintenance.maintain(spark, settings, END, dry_run=False)
    assert traces.of(erased.viewer, settings.lake, settings.landing) == []
    assert runner.run(spark, settings, START, END).entries == []
    after = without_personal_tables(content(spark, settings))
    assert after.pop("agg_ingest_hourly") != before.pop("agg_ingest_hourly")  # it counts one more share
    assert after == before
    grown = {name: delta.read(spark, uri(settings, name)).count() - count for name, count in rows.items()}
    assert {name for name, more in grown.items() if more} == {"bronze_shares", "fct_shares"}


def test_a_backfill_of_all_tables_changes_no_total_and_brings_no_id_back(
    spark: SparkSession, erased: Erased, simulated: Simulated
) -> None:
    before = without_personal_tables(content(spark, erased.settings))
    everything = request.make((START, END), None, "all", None)
    declared = backfills.declare(spark, erased.settings, everything, "tests", "all of it")
    assert declared
    backfills.execute(spark, erased.settings, declared.id)
    assert without_personal_tables(content(spark, erased.settings)) == before
    assert traces.of(erased.viewer, erased.settings.lake) == []


def test_the_next_maintenance_erases_a_row_that_a_run_under_way_published(spark: SparkSession, erased: Erased) -> None:
    """The run read its files before the erasure."""
    table = catalog.entry("fct_shares").table
    context = runner.open_context(spark, erased.settings)
    txn = Transaction(spark, context.uri(table))
    one = delta.read(spark, context.uri(table)).orderBy("share_id").limit(1)
    staged = txn.stage(one.withColumn("share_id", F.lit(78)).withColumn("viewer_id", F.lit(erased.viewer)))
    entry = context.begin(table)
    hour, added = next(iter(checksums.by_hour(staged, table).items()))
    publish(context, table, txn, entry, {hour: checksums.Content.of(context.ledger.state(table.name)[hour]) + added})
    record(context, entry)
    context.ledger.flush()
    maintenance.maintain(spark, erased.settings, END, dry_run=False)
    assert traces.of(erased.viewer, erased.settings.lake) == []


def test_a_reason_that_holds_the_id_is_refused(spark: SparkSession, settings: Settings) -> None:
    """The receipt, with its reason, is kept for good."""
    with pytest.raises(ConfigError, match="must not hold the id"):
        driver.erase(spark, settings, [4711], "request of viewer 4711")


def test_an_erasure_is_refused_while_a_backfill_is_in_flight(spark: SparkSession, copied: Settings) -> None:
    """The staged rows would bring the viewer back."""
    made = request.make((START, END), ["agg_post_engagement_hourly"], "all", None)
    declared = backfills.declare(spark, copied, made, "tests", "in flight")
    assert declared
    with pytest.raises(ConflictError, match=declared.id):
        driver.erase(spark, copied, [4711], REASON)
    assert not Path(copied.lake, "_erasure").exists()


def test_a_sweep_plans_nothing_while_nobody_was_erased(spark: SparkSession, simulated: Simulated) -> None:
    context, _ = backfills.open_lake(spark, simulated.settings)
    assert list(sweep.plan(window.look(context, [], END))) == []
