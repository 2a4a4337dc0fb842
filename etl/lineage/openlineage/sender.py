"""Sends events in a thread of its own: a receiver that does not answer neither fails nor delays a run."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import RunEvent
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.noop import NoopConfig, NoopTransport

from etl.errors import first_line

log = logging.getLogger("feed_etl")
STOP = None
CHATTY = ("openlineage.client", "urllib3.connectionpool")
"""Loggers that would print a line for every attempt. `OPENLINEAGE_CLIENT_LOGGING=DEBUG` shows the client's own."""


def is_configured() -> bool:
    """Whether the client has a configuration of its own: OPENLINEAGE_URL, OPENLINEAGE__… or openlineage.yml."""
    found = OpenLineageClient(transport=NoopTransport(NoopConfig())).config.transport or {}
    return bool(found.get("type") or os.environ.get("OPENLINEAGE_URL"))


def to_file(file: Path) -> OpenLineageClient:
    """A client that appends events to a file, one JSON document a line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    return OpenLineageClient(transport=FileTransport(FileConfig(str(file), append=True)))


class Sender:
    """A queue of events and the thread that sends them.

    file: where events go without a configured receiver, and after a failure of the receiver; None: they are dropped.
    """

    def __init__(self, file: Path | None, wait_seconds: float) -> None:
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.file, self.wait_seconds = file, wait_seconds
        self.events: queue.SimpleQueue[RunEvent | None] = queue.SimpleQueue()
        self.in_work: RunEvent | None = None
        self.failure = ""
        self.thread = threading.Thread(target=self._send_all, name="openlineage", daemon=True)
        self.thread.start()

    def send(self, event: RunEvent) -> None:
        """Add an event to the queue."""
        self.events.put(event)

    def close(self) -> None:
        """Wait for the receiver, at most `wait_seconds`, and warn once when it did not take all events."""
        self.events.put(STOP)
        self.thread.join(self.wait_seconds)
        if self.thread.is_alive():
            self.failure = self.failure or f"no answer within {self.wait_seconds:g} s"
            self._keep([self.in_work, *self._waiting()])
        if self.failure:
            kept = f"are in {self.file}" if self.file else "are lost"
            log.warning(
                "OpenLineage: the receiver did not take all events: %s. The others %s. The run is not affected.",
                self.failure,
                kept,
            )

    def _send_all(self) -> None:
        client = self._client()
        while (event := self.events.get()) is not STOP:
            self.in_work = event
            try:
                if client:
                    client.emit(event)
            except Exception as error:  # whatever a transport raises must not end this thread
                self.failure, client = first_line(error), self._file_client()
                self._keep([event])
        if client:
            client.close(self.wait_seconds)

    def _client(self) -> OpenLineageClient | None:
        try:
            return OpenLineageClient() if is_configured() else self._file_client()
        except Exception as error:  # a configuration that the client does not understand
            self.failure = first_line(error)
            return self._file_client()

    def _file_client(self) -> OpenLineageClient | None:
        """A client for the file; None without a file, or when its folder cannot be made."""
        try:
            return to_file(self.file) if self.file else None
        except OSError as error:
            self.failure, self.file = self.failure or first_line(error), None
            return None

    def _waiting(self) -> Iterator[RunEvent | None]:
        """The events that are left in the queue."""
        with suppress(queue.Empty):
            while True:
                yield self.events.get_nowait()

    def _keep(self, events: list[RunEvent | None]) -> None:
        """Write events to the file. When that fails, there are no events: the run goes on."""
        client = self._file_client()
        with suppress(Exception):
            for event in events if client else ():
                if client and event:
                    client.emit(event)
