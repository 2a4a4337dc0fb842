"""What the task of a table does about the application of its hour: wait for it, take its outcome, or run alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from etl.model.outcome import Outcome

RUN_HOUR = "run_hour"
"""Task id of the producer: the task that runs the application of the hour."""
RAN_ALONE = "ran_alone"
"""XCom key of a table's task: whether its last try ran its own application."""
TRIGGER = "etl.airflow.triggers.OutcomeTrigger"
"""Class of the trigger of a table's task."""
OUTCOMES = "outcomes"
"""XCom key of the producer: the outcomes of all its tables so far, and the try that published them."""
NOT_STARTED = frozenset(
    {None, "scheduled", "queued", "deferred", "awaiting_input", "restarting", "up_for_retry", "up_for_reschedule"}
)
"""States of a task whose next try has not begun."""


class Decision(StrEnum):
    """What the task of a table does next."""

    WAIT = "wait"
    SUCCEED = "succeed"
    FAIL = "fail"
    RUN_ALONE = "run alone"


BY_STATE = {
    "passed": Decision.SUCCEED,
    "unchanged": Decision.SUCCEED,
    "failed": Decision.FAIL,
    "skipped": Decision.RUN_ALONE,  # its input failed there, but has succeeded since: this task would not run otherwise
}


def published(try_id: str, outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """The XCom of the producer. A try begins with no outcomes, and each new outcome replaces the XCom."""
    return {"try_id": try_id, "tables": {outcome.table: asdict(outcome) for outcome in outcomes}}


@dataclass
class Watch:
    """The watch of one try of a table's task. `look` decides after each look at the producer.

    is_first_try: a later try that finds an outcome at its first look was cleared or retried, and runs alone.
    input_ran_alone: a table that this one reads was made again outside the application, maybe after this one.
    old_try: the try of the producer that had published before the producer started again.
    outcome: what the application says about the table; None: nothing yet.
    """

    table: str
    is_first_try: bool
    input_ran_alone: bool
    old_try: str | None = None
    looks: int = 0
    outcome: Outcome | None = None

    def look(self, producer: str | None, found: dict[str, Any] | None) -> Decision:
        """Decide from the state of the producer's task and what it has published; None: nothing yet."""
        self.looks += 1
        if producer in NOT_STARTED:
            self.old_try = found["try_id"] if found else None
            return Decision.WAIT
        self.outcome = self._outcome(found)
        if self.outcome is None:
            return Decision.WAIT if producer == "running" else Decision.RUN_ALONE
        if self.input_ran_alone or (self.looks == 1 and not self.is_first_try):
            return Decision.RUN_ALONE
        return BY_STATE[self.outcome.state]

    def _outcome(self, found: dict[str, Any] | None) -> Outcome | None:
        """The table's outcome of the producer's present try."""
        if found is None or found["try_id"] == self.old_try or self.table not in found["tables"]:
            return None
        return Outcome(**found["tables"][self.table])
