"""OpenTelemetry, switched on by its standard environment variables and off without them.

A collector that is down never fails a command: telemetry is sent in the background, the end of a command waits for it
for a few seconds at most, and one line says what could not be sent.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.telemetry import spans

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_{}_ENDPOINT")
SIGNALS = ("TRACES", "METRICS")
LAST_SECONDS = 2.0
"""How long the end of a command waits for a collector."""
MISSING = (
    "OpenTelemetry is configured (%s) but not installed: no traces or metrics. Run `pip install 'feed-etl[otel]'`."
)
log = logging.getLogger("feed_etl")


@dataclass
class Telemetry:
    """The running exporters. meter: None when metrics are off."""

    shutdowns: list[Callable[[], object]]
    meter: Meter | None = None


_running: Telemetry | None = None


def meter() -> Meter | None:
    """The meter for metrics; None when they are off."""
    return _running.meter if _running else None


def exporter(signal: str, environ: Mapping[str, str]) -> str:
    """How a signal (TRACES or METRICS) is exported: `otlp`, `console`, or empty when it is off."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ""
    has_endpoint = any(environ.get(name.format(signal)) for name in ENDPOINTS)
    chosen = environ.get(f"OTEL_{signal}_EXPORTER", "otlp" if has_endpoint else "none").lower()
    return "" if chosen == "none" else chosen


def start(environ: Mapping[str, str] = os.environ) -> None:
    """Start what the environment switches on. Problems are one warning; they never fail the command."""
    global _running
    wanted = {signal: chosen for signal in SIGNALS if (chosen := exporter(signal, environ))}
    if not wanted or _running:
        return
    _running = Telemetry([])
    try:
        from etl.telemetry import sdk

        if "TRACES" in wanted:
            tracer, shutdown = sdk.tracing(wanted["TRACES"], environ)
            _running.shutdowns.append(shutdown)
            spans.use(tracer)
        if "METRICS" in wanted:
            _running.meter, shutdown = sdk.metering(wanted["METRICS"])
            _running.shutdowns.append(shutdown)
    except ImportError:
        _running = None
        log.warning(MISSING, " and ".join(f"{signal.lower()}: {chosen}" for signal, chosen in wanted.items()))
    except Exception as error:  # a variable OTEL_… with a value that OpenTelemetry does not take
        log.warning(
            "OpenTelemetry: %s. Correct the variables OTEL_…; the command goes on without it.", str(error).rstrip(".")
        )


def end() -> None:
    """Send what is left, for LAST_SECONDS at most, and switch off."""
    global _running
    spans.use(None)
    running, _running = _running, None
    shutdowns = running.shutdowns if running else []
    sending = [threading.Thread(target=_quietly, args=(each,), daemon=True) for each in shutdowns]
    deadline = time.monotonic() + LAST_SECONDS
    for thread in sending:
        thread.start()
    for thread in sending:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in sending):
        log.warning("OpenTelemetry: the collector did not take everything within %g s. The rest is lost.", LAST_SECONDS)


def _quietly(shutdown: Callable[[], Any]) -> None:
    try:
        shutdown()
    except Exception as error:
        log.debug("telemetry", exc_info=error)
