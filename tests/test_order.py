"""Any order of landing, repeated runs, hour by hour or as one interval: the same rows and checksums."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.lakes import existing_tables, versions
from support.local_lake import END, START, Simulated, local_settings

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.sql import views
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger

HOUR = timedelta(hours=1)
Contents = dict[datetime, checksums.Content] | dict[str, checksums.Content]


def content(spark: SparkSession, settings: Settings) -> dict[str, Contents]:
    """Row count and checksum of every hour of every table, computed from the tables. A dimension counts as one hour."""
    found: dict[str, Contents] = {}
    for table in existing_tables(spark, settings):
        if table.name == "quarantine" or table.name.startswith("bronze"):
            continue
        rows = delta.read(spark, views.uri(settings, table))
        if table.hour:
            found[table.name] = checksums.by_hour(rows, table)
        else:
            hashes = [hash(tuple(map(str, row))) for row in rows.collect()]
            found[table.name] = {"all": checksums.Content(len(hashes), sum(hashes), 0)}
    return found


def recorded(spark: SparkSession, settings: Settings) -> dict[str, dict[datetime, str]]:
    """The checksum of every hour of every table, from the ledger."""
    ledger = runner.open_context(spark, settings).ledger
    hourly = [t.name for t in existing_tables(spark, settings) if t.hour and t.layer.name != "BRONZE"]
    return {name: {h: s["checksum"] for h, s in ledger.state(name).items()} for name in hourly}


@pytest.mark.slow
def test_hours_one_by_one_in_any_order_equal_one_run_of_the_interval(
    spark: SparkSession, simulated: Simulated, tmp_path: Path
) -> None:
    """The last hour runs first, after the models that its surrogate keys need. Rows and ledger state are equal."""
    settings = local_settings(tmp_path)
    shutil.copytree(simulated.landing, settings.landing)
    dims = ["bronze_posts", "bronze_creators", "bronze_ranker_models", "dim_ranker_models"]
    assert not runner.run(spark, settings, START, END, tables=dims).errors
    for hour in (END - HOUR, START + HOUR, START):
        assert not runner.run(spark, settings, hour, hour + HOUR).errors
    assert content(spark, settings) == content(spark, simulated.settings)
    assert recorded(spark, settings) == recorded(spark, simulated.settings)


def test_a_second_run_of_an_interval_changes_nothing(spark: SparkSession, simulated: Simulated, tmp_path: Path) -> None:
    """No table gets a new version, and the summary lists every table as unchanged."""
    before = versions(spark, simulated.settings)
    again = runner.run(spark, simulated.settings, START, END)
    assert again.entries == [] and again.errors == {}
    assert sorted(again.unchanged) == sorted(t for t in before if catalog.has_job(catalog.entry(t).table))
    assert versions(spark, simulated.settings) == before


@pytest.mark.slow
def test_more_files_in_an_hour_that_already_ran_are_added(
    spark: SparkSession, simulated: Simulated, tmp_path: Path
) -> None:
    """Files that land later give the same tables as files that were there from the start."""
    settings = local_settings(tmp_path)
    shutil.copytree(simulated.landing, settings.landing)
    held = sorted(Path(settings.landing).glob("*/hour=2026-06-01T09/*p0001*"))
    assert {f.parent.parent.name for f in held} >= {"impressions", "engagements", "heartbeats"}
    for file in held:
        shutil.move(file, tmp_path / f"{file.parent.parent.name}-{file.name}")
    assert not runner.run(spark, settings, START, END).errors
    for file in held:
        shutil.move(tmp_path / f"{file.parent.parent.name}-{file.name}", file)
    assert not runner.run(spark, settings, START, END).errors
    assert content(spark, settings) == content(spark, simulated.settings)


@pytest.mark.parametrize("table", ["bronze_creators", "dim_creators"])
def test_a_run_killed_between_publish_and_ledger_is_recorded_by_the_next(
    spark: SparkSession, landed: Path, tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Delta commit itself contains the ledger row, so no downstream table misses it, and nothing runs twice."""
    settings = local_settings(tmp_path).model_copy(update={"landing": str(landed)})
    chosen = ["bronze_creators", "dim_creators"]
    append = Ledger.append

    def killed(self: Ledger, entry: Entry) -> None:
        if entry.table_name == table:
            raise KeyboardInterrupt
        append(self, entry)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Ledger, "append", killed)
        runner.run(spark, settings, START, END, tables=chosen)
    version = delta.current_version(spark, views.uri(settings, catalog.entry(table).table))
    again = runner.run(spark, settings, START, END, tables=chosen)
    assert not again.errors
    assert version == delta.current_version(spark, views.uri(settings, catalog.entry(table).table)) == 1
    assert delta.read(spark, views.uri(settings, catalog.entry("dim_creators").table)).count() > 0
    ledger = runner.open_context(spark, settings).ledger
    assert [e.reason for e in ledger.published(table)] == ["recovered from the commit"]
