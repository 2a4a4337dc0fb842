"""Follows a run and sends its OpenLineage events. Nothing that goes wrong here fails the run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from openlineage.client.event_v2 import RunEvent, RunState
from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.jobs.progress import SILENT, Progress
from etl.engine.jobs.run_context import RunContext
from etl.engine.spark.files import local_folder, local_or_none
from etl.engine.state.entry import Entry
from etl.errors import FeedEtlError, first_line
from etl.lineage import stored
from etl.lineage.flow import Lineage
from etl.lineage.openlineage import FOLDER, parent
from etl.lineage.openlineage.events import Events, RunIds
from etl.lineage.openlineage.sender import Sender, is_configured
from etl.model.contract import Table

log = logging.getLogger("feed_etl")


def folder(settings: Settings) -> Path | None:
    """The folder of event files: from conf/, or else in the lake; None for a lake that is not a local folder."""
    if settings.openlineage.folder:
        return local_folder(settings.openlineage.folder)
    lake = local_or_none(settings.lake)
    return lake / FOLDER if lake else None


@contextmanager
def recorded(spark: SparkSession, settings: Settings) -> Iterator[Progress]:
    """The functions that a run inside the block calls. At its end, the last events are sent."""
    recorder = _recorder(spark, settings)
    if recorder is None:
        yield SILENT
        return
    is_complete = False
    try:
        yield Progress(started=recorder.started, ended=recorder.ended)
        is_complete = True
    finally:
        recorder.finish(is_complete)


def _recorder(spark: SparkSession, settings: Settings) -> Recorder | None:
    """A recorder; None when conf/ turns events off, or nobody would receive them."""
    if not settings.openlineage.enabled:
        return None
    try:
        return Recorder(spark, settings) if is_configured() or folder(settings) else None
    except Exception as error:
        log.warning("OpenLineage: this run sends no events: %s", first_line(error))
        return None


class Recorder:
    """The events of one call of feed-etl, which may be several runs, one for each hour."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark, self.settings = spark, settings
        self.events = Events(settings, cache(self._lineages))
        self.parent = parent.find(dict(spark.sparkContext.getConf().getAll()))
        self.runs: dict[str, RunIds] = {}
        self.errors: dict[str, FeedEtlError] = {}
        self.sender: Sender | None = None
        self.has_warned = False
        self.lock = threading.RLock()  # a run makes tables in parallel

    def _lineages(self) -> dict[str, Lineage]:
        """The lineage of all tables; none, and a warning, when it cannot be computed."""
        try:
            return stored.of_all_tables(lambda: self.spark, self.settings)
        except Exception as error:
            log.warning("OpenLineage: the events of this run have no column lineage: %s", first_line(error))
            return {}

    def started(self, context: RunContext, table: Table) -> None:
        """Send START of a table's job. See `Progress`."""
        self._quietly(lambda: self._send(context, lambda ids: self.events.started(ids, table)))

    def ended(self, context: RunContext, table: Table, entry: Entry | None, error: FeedEtlError | None) -> None:
        """Send COMPLETE or FAIL of a table's job. See `Progress`."""
        if error:
            self.errors.setdefault(context.run_id, error)
        make = self.events
        self._quietly(
            lambda: self._send(
                context,
                lambda ids: make.failed(ids, table, entry, error) if error else make.completed(ids, table, entry),
            )
        )

    def _send(self, context: RunContext, make: Callable[[RunIds], RunEvent]) -> None:
        """Send an event of a run. The first one is preceded by the START of the run."""
        with self.lock:
            sender, is_new = self._sender(context.run_id), context.run_id not in self.runs
            ids = self.runs.setdefault(context.run_id, RunIds(context.run_id, context.interval, self.parent))
            if is_new:
                sender.send(self.events.of_run(RunState.START, ids))
            sender.send(make(ids))

    def _sender(self, run_id: str) -> Sender:
        if self.sender is None:
            within = folder(self.settings)
            file = within / f"{run_id}.jsonl" if within else None
            self.sender = Sender(file, self.settings.openlineage.wait_seconds)
        return self.sender

    def finish(self, is_complete: bool) -> None:
        """Send the last event of each run, and wait for the receiver for a bounded time."""
        self._quietly(lambda: self._send_last(is_complete))

    def _send_last(self, is_complete: bool) -> None:
        if self.sender is None:
            return
        for run_id, ids in self.runs.items():
            error = self.errors.get(run_id)
            state = RunState.COMPLETE if is_complete and error is None else RunState.FAIL
            self.sender.send(self.events.of_run(state, ids, error))
        self.sender.close()

    def _quietly(self, act: Callable[[], None]) -> None:
        """Act; what goes wrong is one warning."""
        try:
            act()
        except Exception as error:
            if not self.has_warned:
                log.warning("OpenLineage: an event could not be made: %s", first_line(error))
            self.has_warned = True
