"""Every safe change of a contract, applied to a table with rows: the rows and their fingerprints stay as they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession
from support import evolved
from support.lakes import uri, versions
from support.rows import at

from etl.conf import Settings
from etl.engine.delta import checksums, defaults, typed_checksums
from etl.engine.delta import tables as delta
from etl.engine.jobs import ddl, migration, runner
from etl.engine.jobs.run_context import RunContext
from etl.errors import ContractViolation
from etl.model.contract import Column, InsertNew, Layer, Table
from etl.operations.migrate import driver

OLD = Table(
    "toy",
    Layer.FACTS,
    (
        Column("toy_id", "BIGINT", "A toy"),
        Column("price", "DECIMAL(6,2)", "What it costs", low=0, high=100, nullable=True),
        Column("pieces", "INT", "Its parts"),
        Column("sizes", "ARRAY<INT>", "Its sizes"),
        Column("day", "DATE", "The day it was made"),
    ),
    key=("toy_id", "day"),
    write=InsertNew(dedup_window_days=8),
    owner="toys",
    partition=("day",),
)
NEW = replace(
    OLD,
    columns=(
        Column("toy_id", "BIGINT", "A toy, as sold"),
        Column("material", "STRING", "What it's made of: \\wood", nullable=True, default="'wood'"),
        Column("pieces", "BIGINT", "Its parts", nullable=True),
        Column("price", "DECIMAL(12,4)", "What it costs", low=0, nullable=True),
        Column("sizes", "ARRAY<BIGINT>", "Its sizes"),
        Column("day", "DATE", "The day it was made"),
    ),
    write=InsertNew(dedup_window_days=30),
)
DAY = date(2026, 6, 1)
ROWS = [(1, Decimal("1.50"), 3, [1, 2], DAY), (2, None, 4, [], DAY), (3, Decimal("100"), 5, [7], DAY)]


@pytest.fixture
def context(spark: SparkSession, settings: Settings) -> RunContext:
    """A lake with the toys of an earlier release."""
    made = runner.open_context(spark, settings)
    ddl.ensure(spark, OLD, made.uri(OLD))
    rows = spark.createDataFrame(ROWS, ddl.columns_ddl(OLD).replace(" NOT NULL", ""))
    rows.write.format("delta").mode("append").save(made.uri(OLD))
    return made


def test_every_safe_change_leaves_rows_and_fingerprints(spark: SparkSession, context: RunContext) -> None:
    place = context.uri(OLD)
    rows = delta.read(spark, place)
    canonical, typed = checksums.by_hour(rows, OLD), typed_checksums.by_hour(spark, place, rows, OLD)

    applied = [change.what for change in migration.apply(context, NEW)]

    assert len(applied) == delta.current_version(spark, place) - 1, "one commit each"
    migrated = delta.read(spark, place)
    assert migrated.columns == list(NEW.column_names) and ddl.changes(spark, NEW, place) == []
    assert checksums.by_hour(migrated, NEW) == canonical
    assert typed_checksums.by_hour(spark, place, migrated, NEW) == typed
    # Only questions get the default. A run reads the files from its own list, not through Delta.
    expected = [(n, None, pieces, price, sizes, day) for n, price, pieces, sizes, day in ROWS]
    assert sorted(map(tuple, migrated.collect())) == sorted(map(tuple, context.read(NEW).collect())) == expected
    assert {r["material"] for r in defaults.applied(migrated, NEW).collect()} == {"wood"}
    assert [e.reason for e in context.ledger.published("toy")] == [f"migrate: {'; '.join(applied)}"]


def test_the_row_hash_tells_rows_apart_that_differ(spark: SparkSession, context: RunContext) -> None:
    different = [*ROWS, (1, None, 3, [1, 2], DAY), (1, Decimal("15"), 3, [1, 2], DAY), (2, None, 4, [0], DAY)]
    rows = spark.createDataFrame(different, ddl.schema(OLD))
    assert rows.select(checksums.row_hash(OLD.columns)).distinct().count() == len(different)


def test_what_is_not_safe_is_left(spark: SparkSession, context: RunContext) -> None:
    narrower = replace(OLD, columns=(*OLD.columns[:2], *OLD.columns[3:]))
    before = delta.current_version(spark, context.uri(OLD))
    with pytest.raises(ContractViolation, match="toy in the lake differs from its contract in: pieces"):
        migration.ensure(context, narrower)
    assert delta.current_version(spark, context.uri(OLD)) == before


def test_a_run_names_the_tables_to_migrate(
    spark: SparkSession, lake_with_share: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A dry run writes nothing. `run --migrate` migrates the tables of the run first."""
    before = versions(spark, lake_with_share)
    with evolved.shares():
        failed = runner.run(spark, lake_with_share, at("10:00"), at("11:00"), ["bronze_shares", "fct_shares"])
        found = [change.what for change in driver.migrate(spark, lake_with_share, dry_run=True)]
        unchanged = versions(spark, lake_with_share)
        passed = runner.run_chosen(
            spark, lake_with_share, (at("10:00"), at("11:00")), runner.Choice(["fct_shares"], migrate=True)
        )

    assert "`feed-etl migrate` is due: 2 tables differ from their contracts (bronze_shares, fct_shares)." in caplog.text
    assert "in: app, _extra. Run `feed-etl migrate`." in str(failed.errors["bronze_shares"])
    assert "change the lateness limit from 7 to 14 days" in found and "add the column app STRING" in found
    assert unchanged == before
    assert not passed.errors and "app" in delta.read(spark, uri(lake_with_share, "fct_shares")).columns


def test_there_is_nothing_to_migrate_in_a_new_lake(spark: SparkSession, lake_with_share: Settings) -> None:
    assert driver.migrate(spark, lake_with_share) == []
