"""`dq_result` has the result of every rule of a run. What is wrong with it stops neither a run nor the ledger."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from soak import shares
from support.local_lake import END, START

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.state import results_table
from etl.engine.state.ledger import Ledger


def folder(settings: Settings) -> Path:
    return Path(settings.lake) / results_table.FOLDER


def test_every_table_of_a_run_has_results(spark: SparkSession, lake_with_share: Settings) -> None:
    rows = delta.read(spark, folder(lake_with_share).as_uri()).collect()

    assert {row["table_name"] for row in rows} >= {"bronze_shares", "fct_shares"}
    by_history = [row["verdict"] for row in rows if row["rule"].startswith("expect_within_history")]
    assert {row["verdict"] for row in rows} == {"passed", "none"}
    assert set(by_history) == {"none"} and len(by_history) == len([r for r in rows if r["verdict"] == "none"])
    assert all(row["rule"] and row["run_id"] and row["severity"] for row in rows)


def test_a_damaged_table_does_not_stop_a_run(
    spark: SparkSession, lake_with_share: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(folder(lake_with_share))
    folder(lake_with_share).write_text("not a table")
    shares.land(lake_with_share, 2, 11)

    summary = runner.run(spark, lake_with_share, START, END.replace(hour=12), shares.TABLES)

    assert not summary.errors
    assert "dq_result lacks the results of run" in caplog.text
    ledger = Ledger.existing(spark, Path(lake_with_share.lake).as_uri())
    assert summary.run_id in {entry.run_id for entry in ledger.published("fct_shares")}
