"""A real HTTP receiver on the loopback interface that decodes what OpenTelemetry sends as OTLP protobuf."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """Arrived spans and metrics."""

    url: str = ""
    spans: list[Any] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    def span(self, name: str) -> Any:
        """The only span with a name."""
        (found,) = [each for each in self.spans if each.name == name]
        return found

    def children(self, parent: Any) -> list[str]:
        """Names of the spans directly below a span, in the order they began."""
        below = [each for each in self.spans if each.parent_span_id == parent.span_id]
        return [each.name for each in sorted(below, key=lambda each: each.start_time_unix_nano)]

    def points(self, name: str) -> dict[tuple[str, ...], float]:
        """Values of the attributes, sorted by their names -> number of a metric; of a histogram, its sum."""
        found = {}
        for metric in (each for each in self.metrics if each.name == name):
            data = getattr(metric, metric.WhichOneof("data"))
            for point in data.data_points:
                key = tuple(value for _, value in sorted(attributes(point).items()))
                found[key] = float(point.sum if hasattr(point, "sum") else point.as_double or point.as_int)
        return found

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for traced in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.services.add(attributes(traced.resource)["service.name"])
                self.spans += [span for scope in traced.scope_spans for span in scope.spans]
        else:
            for measured in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics += [metric for scope in measured.scope_metrics for metric in scope.metrics]


def attributes(of: Any) -> dict[str, Any]:
    """The attributes of a span, a data point or a resource."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    """Run the receiver during the block."""
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.take(self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
