"""OpenTelemetry: a real receiver on loopback gets spans and metrics; a dead one costs a line and little time."""

from __future__ import annotations

import builtins
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from support.otlp import Collector, attributes, collector
from support.rows import at

from etl.commands import run_metrics
from etl.engine.state.entry import Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.errors import GateFailed, LakeError
from etl.telemetry import fields, otel, spans

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@contextmanager
def exporting(**environment: str) -> Iterator[None]:
    """Telemetry of an environment during a block, sent at its end."""
    otel.start(environment)
    try:
        yield
    finally:
        otel.end()


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A receiver that the environment names."""
    with collector() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        monkeypatch.setattr(otel, "LAST_SECONDS", 60)  # a loaded machine is slow, too
        yield made


@spans.span("publish")
def publish() -> None:
    """A phase."""


def a_run() -> None:
    of_run, of_table = fields.scope(run_id="run-1", hour="2026-06-01T10"), fields.scope(table="fct_shares")
    with of_run, spans.span("run"), of_table, spans.span("table fct_shares"):
        publish()
        spans.note(rows=7)


def test_spans_are_nested_and_carry_run_table_and_hour(received: Collector) -> None:
    with exporting(OTEL_EXPORTER_OTLP_ENDPOINT=received.url):
        a_run()
    run, table = received.span("run"), received.span("table fct_shares")
    assert received.services == {"feed-etl"}
    assert received.children(run) == ["table fct_shares"] and received.children(table) == ["publish"]
    assert attributes(run) == {"feed_etl.run_id": "run-1", "feed_etl.hour": "2026-06-01T10"}
    assert attributes(table) == attributes(run) | {"feed_etl.table": "fct_shares", "feed_etl.rows": 7}


def test_a_run_continues_the_trace_of_its_scheduler(received: Collector) -> None:
    traceparent = f"00-{TRACE}-{PARENT}-01"
    with exporting(OTEL_EXPORTER_OTLP_ENDPOINT=received.url, TRACEPARENT=traceparent):
        a_run()
    run = received.span("run")
    assert (run.trace_id.hex(), run.parent_span_id.hex()) == (TRACE, PARENT)


def test_without_a_scheduler_a_run_begins_a_trace(received: Collector) -> None:
    with exporting(OTEL_EXPORTER_OTLP_ENDPOINT=received.url):
        a_run()
    assert received.span("run").parent_span_id == b""


@pytest.mark.parametrize("error", [GateFailed("row 4711 of ana", "3 rows"), LakeError("t cannot be read: 4711")])
def test_an_error_is_recorded_without_values_of_rows(received: Collector, error: Exception) -> None:
    with exporting(OTEL_EXPORTER_OTLP_ENDPOINT=received.url), pytest.raises(type(error)), spans.span("run"):
        raise error
    run = received.span("run")
    assert attributes(run)["error.type"] == type(error).__name__ == run.status.message.partition(":")[0]
    assert "4711" not in str(run)


def test_metrics_of_a_run(received: Collector) -> None:
    landed = Entry("r", "bronze_shares", at("10:00"), seconds=2.5, records_read=10, records_accepted=9,
                   records_quarantined=1, rows_written=9, processed_hours=[at("10:00")],
                   fingerprints={at("10:00").isoformat(): "x"})  # fmt: skip
    landed.failures = '[{"rule": "few", "severity": "warning"}]'
    with exporting(OTEL_EXPORTER_OTLP_ENDPOINT=received.url):
        meter = otel.meter()
        assert meter
        run_metrics.of_entries(meter, [landed])
        run_metrics.of_ledger(meter, InMemoryLedger(landed), at("12:30"))
    assert received.points("feed_etl.rows") == {("bronze_shares",): 9}
    assert received.points("feed_etl.table.duration") == {("bronze_shares",): 2.5}
    assert received.points("feed_etl.quarantine.share") == {("bronze_shares",): 0.1}
    assert received.points("feed_etl.records") == {
        ("accepted", "bronze_shares"): 9,
        ("quarantined", "bronze_shares"): 1,
    }
    assert received.points("feed_etl.gate.failures") == {("few", "warning", "bronze_shares"): 1}
    assert received.points("feed_etl.lag")[("bronze_shares",)] == 90 * 60


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://x"}, ""),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}, ""),
    ],
)
def test_the_standard_variables_switch_traces_on(environment: dict[str, str], wanted: str) -> None:
    assert otel.exporter("TRACES", environment) == wanted


def test_nothing_is_imported_or_sent_without_a_variable() -> None:
    with exporting():
        assert otel.meter() is None
        a_run()


@pytest.mark.parametrize("is_listening", [False, True], ids=["refused", "never answers"])
def test_a_dead_collector_costs_a_line_and_a_moment(
    is_listening: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        if is_listening:
            hole.listen()
        url = f"http://127.0.0.1:{hole.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setattr(otel, "LAST_SECONDS", 0.2)
        with caplog.at_level(logging.WARNING, "feed_etl"):
            otel.start({"OTEL_EXPORTER_OTLP_ENDPOINT": url})
            a_run()
            started = time.process_time()
            otel.end()
        assert time.process_time() - started < 5
    assert 1 <= len(caplog.messages) <= 3 and all(m.startswith("OpenTelemetry: ") for m in caplog.messages)


def test_without_the_package_a_variable_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "etl.telemetry" and "sdk" in (rest[2] or ()):
            raise ImportError("no opentelemetry")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    otel.start({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    assert [text for text in caplog.messages if "feed-etl[otel]" in text] and otel.meter() is None


def test_a_variable_that_is_not_valid_costs_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5000")  # more than the queue holds
    with exporting(OTEL_TRACES_EXPORTER="otlp"):
        a_run()
    (warning,) = [text for text in caplog.messages if "Correct the variables OTEL_" in text]
    assert "max_export_batch_size" in warning


def test_metrics_that_cannot_be_measured_fail_no_run(
    received: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise LakeError("the ledger cannot be read")

    monkeypatch.setattr(run_metrics, "_measure", broken)
    with exporting(OTEL_EXPORTER_OTLP_ENDPOINT=received.url):
        run_metrics.measure(*[cast(Any, None)] * 3)
    assert "metrics of this run are not complete: the ledger cannot be read" in caplog.text
