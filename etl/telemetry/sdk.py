"""Sets up the SDK of OpenTelemetry. Only `otel` imports this module, when the package is installed and wanted."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping

from opentelemetry import context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

NAME = "feed-etl"
log = logging.getLogger("feed_etl")


class OneLine(logging.Handler):
    """Turns the first message of OpenTelemetry's own loggers into one warning, and drops the others."""

    said = False

    def emit(self, record: logging.LogRecord) -> None:
        """Log the first line of a message as a warning of this project."""
        if not self.said:
            self.said = True
            text = record.getMessage().splitlines()[0][:120]
            log.warning("OpenTelemetry: %s … The run goes on; further messages are left out.", text)


def tracing(exporter: str, environ: Mapping[str, str]) -> tuple[Tracer, Callable[[], object]]:
    """A tracer and the function that ends it. Spans continue the trace of TRACEPARENT, which a scheduler sets."""
    _one_line()
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    target: SpanExporter = ConsoleSpanExporter() if exporter == "console" else OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(target))
    carrier = {key.lower(): environ[key] for key in ("TRACEPARENT", "TRACESTATE") if key in environ}
    context.attach(TraceContextTextMapPropagator().extract(carrier))
    return provider.get_tracer(NAME), provider.shutdown


def metering(exporter: str) -> tuple[Meter, Callable[[], object]]:
    """A meter and the function that ends it."""
    _one_line()
    target: MetricExporter = ConsoleMetricExporter() if exporter == "console" else OTLPMetricExporter()
    provider = MeterProvider([PeriodicExportingMetricReader(target)], _resource(), shutdown_on_exit=False)
    return provider.get_meter(NAME), provider.shutdown


def _resource() -> Resource:
    """The service: `feed-etl`, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise."""
    return Resource.create({} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": NAME})


def _one_line() -> None:
    logger = logging.getLogger("opentelemetry")
    logger.handlers, logger.propagate = [OneLine()], False
