"""Errors of tables as rows of the ledger, so that owners hear of them: what a run raised for a table, and its end.

A row of verdict `error` is open as long as no later run over its landed hours was fine. A run that was fine and changed
nothing leaves no row; where an error was open it writes one of verdict `recovered`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from etl.engine.jobs.run_context import RunContext, log
from etl.engine.jobs.run_context import record as write
from etl.engine.state import planner
from etl.engine.state.entry import ERROR, RECOVERED, Entry
from etl.errors import FeedEtlError, GateFailed, LakeError, lasting


def record(context: RunContext, errors: Mapping[str, FeedEtlError], unchanged: Iterable[str]) -> None:
    """Write a row for each table that raised, or is fine again. A gate's refusal has its row already.

    A ledger that cannot be written is a line in the log: the error itself goes on to whoever started the run.
    """
    raised = {name: error for name, error in errors.items() if not isinstance(error, GateFailed)}
    for name, error in raised.items():
        write(context, _row(context, name), ERROR, lasting(error))
    broken = {e.table_name for e in open_errors(context.ledger.entries) if _meets(e, context.interval)}
    for name in sorted(broken.intersection(unchanged)):
        write(context, _row(context, name), RECOVERED)
    try:
        context.ledger.flush()
    except LakeError as why:
        log.warning("%s", why)
        return
    for error in errors.values():
        error.is_recorded = True


def _row(context: RunContext, name: str) -> Entry:
    """A row without anything of the table itself, which may not be readable."""
    return Entry(context.run_id, name, context.ledger.now(), *(context.interval or (None, None)))


def open_errors(entries: Iterable[Entry]) -> list[Entry]:
    """Rows of verdict `error` of which some landed hour was not run well since. `entries` oldest first."""
    left: list[tuple[Entry, set[datetime]]] = []
    for entry in entries:
        if entry.verdict == ERROR:
            left.append((entry, set(hours_of(entry))))
        elif entry.verdict in ("passed", RECOVERED):
            done = set(hours_of(entry))
            left = [(e, hours - done if e.table_name == entry.table_name else hours) for e, hours in left]
            left = [(e, hours) for e, hours in left if hours]
    return [e for e, _ in left]


def hours_of(entry: Entry) -> list[datetime]:
    """The landed hours of a run; of one without a range one instant, so that any later run of the table ends it."""
    if entry.range_from is None or entry.range_to is None:
        return []
    return planner.hours_between(entry.range_from, entry.range_to)


def _meets(entry: Entry, interval: tuple[datetime, datetime] | None) -> bool:
    return bool(
        interval
        and entry.range_from
        and entry.range_to
        and entry.range_from < interval[1]
        and interval[0] < entry.range_to
    )
