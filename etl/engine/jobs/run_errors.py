"""Records errors of tables in the ledger, so that reports can tell the owners about them.

A row with verdict `error` is open until later runs have succeeded for all its landed hours. A run that succeeds and
changes nothing writes no row; when an error is open, it writes one with verdict `recovered`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from etl.engine.jobs.run_context import RunContext, log
from etl.engine.jobs.run_context import record as write
from etl.engine.state import planner
from etl.engine.state.entry import ERROR, RECOVERED, Entry
from etl.errors import FeedEtlError, GateFailed, LakeError, first_line, lasting


def record(context: RunContext, errors: Mapping[str, FeedEtlError], unchanged: Iterable[str]) -> None:
    """Write a ledger row for each table that raised an error or has recovered.

    A failed gate has its row already. When the ledger cannot be written, this logs a warning: the caller still reports
    the errors themselves. Recorded errors get `is_recorded`.
    """
    raised = {
        name: error for name, error in errors.items() if not isinstance(error, GateFailed) and not error.is_recorded
    }
    for name, error in raised.items():
        write(context, _row(context, name), ERROR, lasting(error))
    failing = {e.table_name for e in open_errors(context.ledger.entries) if _overlaps(e, context.interval)}
    for name in sorted(failing.intersection(unchanged)):
        write(context, _row(context, name), RECOVERED)
    try:
        context.ledger.flush()
    except LakeError as why:
        log.warning("%s", why)
        return
    for error in errors.values():
        error.is_recorded = True


def _row(context: RunContext, name: str) -> Entry:
    """A ledger row without values from the table itself, which may be unreadable."""
    return Entry(context.run_id, name, context.ledger.now(), *(context.interval or (None, None)))


def open_errors(entries: Iterable[Entry]) -> list[Entry]:
    """The rows with verdict `error` and a landed hour for which no later run succeeded. `entries`: oldest first."""
    still_open: list[tuple[Entry, set[datetime]]] = []
    for entry in entries:
        if entry.verdict == ERROR:
            still_open.append((entry, set(hours_of(entry))))
        elif entry.verdict in ("passed", RECOVERED):
            done = set(hours_of(entry))
            still_open = [(e, hours - done if e.table_name == entry.table_name else hours) for e, hours in still_open]
            still_open = [(e, hours) for e, hours in still_open if hours]
    return [e for e, _ in still_open]


def hours_of(entry: Entry) -> list[datetime]:
    """The landed hours of a run; empty for a run without an interval, so that any later run of the table closes it."""
    if entry.range_from is None or entry.range_to is None:
        return []
    return planner.hours_between(entry.range_from, entry.range_to)


def _overlaps(entry: Entry, interval: tuple[datetime, datetime] | None) -> bool:
    return bool(
        interval
        and entry.range_from
        and entry.range_to
        and entry.range_from < interval[1]
        and interval[0] < entry.range_to
    )


def storage_error(what: str, error: Exception) -> LakeError:
    """An error of Spark or Delta as one line; its traceback goes to the debug log."""
    log.debug("%s", what, exc_info=error)
    return LakeError(f"{what} cannot be read or written: {first_line(error)}. See docs/runbook.md")
