"""A real run seen by an OpenTelemetry receiver: a span for the run, for each table, and for each phase of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession
from soak import shares
from support.otlp import Collector, attributes, collector

from etl.conf import Settings
from etl.engine.jobs.summary import Summary
from etl.engine.spark import logs
from etl.engine.spark.jvm import jvm
from etl.telemetry import fields, otel


@pytest.fixture(scope="module")
def seen(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, Summary]]:
    """What the receiver got from a run of one share, and the summary of that run."""
    from support.local_lake import local_settings

    settings = local_settings(tmp_path_factory.mktemp("traced"))
    shares.land(settings, 1)
    with collector() as received, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        patch.setattr(otel, "LAST_SECONDS", 60)  # a loaded machine is slow, too
        otel.start()
        summary = shares.run(spark, settings)
        otel.end()
        yield received, summary


def test_every_table_has_a_span_with_its_phases(seen: tuple[Collector, Summary]) -> None:
    received, summary = seen
    assert summary.errors == {}
    run = received.span("run")
    assert received.children(run) == [f"table {name}" for name in shares.TABLES]
    for name in shares.TABLES:
        phases = received.children(received.span(f"table {name}"))
        assert [phase for phase in phases if phase != "read"] == ["transform", "stage", "audit", "publish"]
        assert phases[0] == "read"


def test_the_span_of_a_table_says_what_it_did(seen: tuple[Collector, Summary]) -> None:
    received, summary = seen
    assert attributes(received.span("table fct_shares")) == {
        "feed_etl.run_id": summary.run_id, "feed_etl.hour": "2026-06-01T08/2026-06-01T11",
        "feed_etl.table": "fct_shares", "feed_etl.hours": 3, "feed_etl.rows": 1,
    }  # fmt: skip


def test_lines_of_spark_get_the_fields_of_the_thread(spark: SparkSession, settings: Settings) -> None:
    of_driver = jvm(spark, "org.apache.logging.log4j.ThreadContext")
    with fields.scope(run_id="run-1", table="fct_shares"):
        logs.tag(spark, settings)
        assert of_driver.get("table") is None  # text has no fields
        logs.tag(spark, settings.model_copy(update={"log_format": "json"}))
    assert (of_driver.get("run_id"), of_driver.get("table")) == ("run-1", "fct_shares")
    assert spark.sparkContext.getLocalProperty("mdc.table") == "fct_shares"
    of_driver.clearAll()
