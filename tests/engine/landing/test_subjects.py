"""Several subjects in one lake: a run processes the subjects that have landed, or those named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from etl import catalog
from etl.cli import app
from etl.conf import Settings
from etl.engine.landing import subjects
from etl.errors import ConfigError


def test_every_table_that_a_job_makes_belongs_to_one_subject() -> None:
    """Quarantine, which no job makes by itself, belongs to all subjects."""
    for table in catalog.tables():
        assert len(catalog.subjects_of(table)) == (1 if catalog.has_job(table) else len(catalog.subjects()))


def test_a_table_belongs_to_the_subject_of_its_events() -> None:
    assert catalog.subjects_of(catalog.entry("fct_spend_ledger").table) == {"ads"}
    assert catalog.subjects_of(catalog.entry("agg_ingest_hourly").table) == {"feed"}


def test_no_event_belongs_to_two_subjects() -> None:
    names = [event.name for event in catalog.landing_events()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("folders", "expected"), [
    (["posts"], ["feed"]),
    (["ad_clicks"], ["ads"]),
    (["posts", "ad_clicks"], ["feed", "ads"]),
    ([], ["feed", "ads"]),
])  # fmt: skip
def test_the_subjects_of_a_landing_zone_are_those_with_a_folder(
    spark: SparkSession, settings: Settings, folders: list[str], expected: list[str]
) -> None:
    for folder in folders:
        (Path(settings.landing) / folder).mkdir(parents=True)

    assert subjects.landed(spark, settings) == expected


def test_the_error_for_an_unknown_subject_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no subject 'adds'\. Did you mean `ads`\? Subjects: feed, ads"):
        catalog.of_subjects(["adds"])


def test_a_run_takes_tables_or_subjects_but_not_both() -> None:
    interval = ["--from", "2026-06-01T10", "--to", "2026-06-01T11"]
    result = CliRunner().invoke(app, ["run", *interval, "--table", "dim_ads", "--subject", "ads"])
    assert isinstance(result.exception, ConfigError)
