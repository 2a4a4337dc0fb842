"""A real HTTP receiver of OpenLineage events on the loopback interface, and the JSON schemas of the specification."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

Event = dict[str, Any]
SPEC = Path(__file__).parents[1] / "lineage" / "openlineage_spec"


@dataclass
class Receiver:
    """The events that arrived, in their order, and the URL to send to."""

    url: str
    events: list[Event] = field(default_factory=list)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run the receiver during the block."""
    found = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.events.append(json.loads(body))
            self.send_response(201)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def silent_receiver() -> Iterator[str]:
    """A port that accepts connections and never answers; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@cache
def _schemas() -> dict[str, Any]:
    """The schemas of the specification by their id."""
    documents = (json.loads(file.read_text(encoding="utf-8")) for file in SPEC.glob("*.json"))
    return {document["$id"]: document for document in documents}


def faults(event: Event) -> list[str]:
    """What is not valid in an event: in the event itself, and in each facet by the schema that it names."""
    schemas = _schemas()
    registry: Registry[Any] = Registry().with_resources(
        (id_, Resource.from_contents(document)) for id_, document in schemas.items()
    )
    core = next(id_ for id_ in schemas if id_.endswith("/OpenLineage.json"))
    found = _faults({"$ref": f"{core}#/$defs/RunEvent"}, event, registry)
    for facet in _facets(event):
        found += _faults({"$ref": facet["_schemaURL"]}, facet, registry)
    return found


def _faults(schema: dict[str, str], value: Any, registry: Registry[Any]) -> list[str]:
    validator = Draft202012Validator(schema, registry=registry)
    return [f"{schema['$ref']}: {fault.message[:200]}" for fault in validator.iter_errors(value)]


def _facets(value: Any) -> Iterator[dict[str, Any]]:
    """Every facet in an event."""
    if isinstance(value, dict):
        if "_schemaURL" in value:
            yield value
        for part in value.values():
            yield from _facets(part)
    elif isinstance(value, list):
        for part in value:
            yield from _facets(part)
