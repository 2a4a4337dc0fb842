"""Prints the outcome of each table of a run for a scheduler, as soon as it is final."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING

from etl.errors import FeedEtlError, lasting
from etl.model.outcome import Outcome

if TYPE_CHECKING:
    from etl.engine.jobs.summary import Summary
    from etl.engine.state.entry import Entry
    from etl.model.contract import Table


class Outcomes:
    """The outcomes of the tables of one run, as lines on standard output that begin with a prefix; none without one.

    A table that passed is printed when it has passed `runs` times, which is once for each hour of a run hour by hour. A
    run with a backlog makes all hours of a table together: `finish` prints them.
    Failed and skipped tables are printed by `finish`: only then the ledger holds the failures, which reports read.
    """

    def __init__(self, prefix: str | None, runs: int) -> None:
        self.prefix, self.runs = prefix, runs
        self.lock = threading.Lock()  # a run makes tables in parallel
        self.passes: dict[str, list[list[Entry]]] = defaultdict(list)

    def passed(self, table: Table, entries: list[Entry]) -> None:
        """Note that a table passed, with its ledger rows; none when it was up to date."""
        with self.lock:
            passes = self.passes[table.name]
            passes.append(entries)
            if len(passes) == self.runs:
                self._print(_passed(table.name, list(chain(*passes))))

    def finish(self, summary: Summary) -> None:
        """Print the failed and skipped tables. Raises an error that the ledger could not record."""
        if self.prefix is None:
            return
        for name, error in summary.errors.items():
            self._print(Outcome(name, "failed", lasting(error), error.exit_code))
        for name in summary.skipped.keys() - summary.errors.keys():
            self._print(Outcome(name, "skipped", summary.skipped[name]))
        for name, passes in self.passes.items() if summary.is_backlog else ():
            if len(passes) < self.runs and name not in summary.errors:
                self._print(_passed(name, list(chain(*passes))))
        _raise_unrecorded(summary)

    def _print(self, outcome: Outcome) -> None:
        if self.prefix is not None:
            print(outcome.as_line(self.prefix), flush=True)


def _raise_unrecorded(summary: Summary) -> None:
    unrecorded: list[FeedEtlError] = [error for error in summary.errors.values() if not error.is_recorded]
    if unrecorded:
        raise unrecorded[0]


def _passed(name: str, entries: list[Entry]) -> Outcome:
    """The outcome of a table from the ledger rows of its runs; without rows it was up to date."""
    if not entries:
        return Outcome(name, "unchanged")
    return Outcome(
        name,
        "passed",
        rows_written=sum(entry.rows_written for entry in entries),
        rules=max(entry.rules for entry in entries),
        seconds=round(sum(entry.seconds for entry in entries), 1),
        warnings="; ".join(_warning(failure) for entry in entries for failure in json.loads(entry.failures)),
    )


def _warning(failure: dict[str, object]) -> str:
    """A failed rule with its number of rows. The samples stay out."""
    return f"{failure['rule']}: {failure['count'] or 'some'} rows"
