"""What the task of a table does about the application of its hour: wait for it, take its outcome, or run alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

RUN_HOUR = "run_hour"
"""Task id of the producer: the task that runs the application of the hour."""
RAN_ALONE = "ran_alone"
"""XCom key of a table's task: whether its last try ran its own application."""
TRY_ID = "try_id"
"""Key in the XCom of an outcome: the try of the producer that published it."""
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


@dataclass
class Watch:
    """The watch of one try of a table's task. `look` decides after each look at the producer.

    is_first_try: a later try that finds an outcome at its first look was cleared or retried, and runs alone.
    input_ran_alone: a table that this one reads was made again outside the application, maybe after this one.
    old_try: the try of the producer whose outcomes were there before the producer started again.
    """

    is_first_try: bool
    input_ran_alone: bool
    old_try: str | None = None
    looks: int = 0

    def look(self, producer: str | None, found: dict[str, Any] | None) -> Decision:
        """Decide from the state of the producer's task and the outcome that it published; None: not yet."""
        self.looks += 1
        if producer in NOT_STARTED:
            self.old_try = found[TRY_ID] if found else None
            return Decision.WAIT
        if found is None or found[TRY_ID] == self.old_try:
            return Decision.WAIT if producer == "running" else Decision.RUN_ALONE
        if self.input_ran_alone or (self.looks == 1 and not self.is_first_try):
            return Decision.RUN_ALONE
        return BY_STATE[found["state"]]
