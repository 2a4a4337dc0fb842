"""What the triggers of a run see of its producer, the task that runs the application of the hour."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.execution_time.xcom import XCom
from asgiref.sync import sync_to_async

from etl.airflow.watching import NOT_STARTED, OUTCOMES, RUN_HOUR

SECONDS = 1.0
"""Time between two looks of a trigger."""


@dataclass(frozen=True)
class Look:
    """The state of the producer's task, and what it has published. at: seconds of a monotonic clock."""

    at: float
    state: str | None
    published: dict[str, Any] | None


class Producer:
    """The producer of one run. The triggers of all its tables share each look, so a run costs one look a second."""

    def __init__(self, dag_id: str, run_id: str) -> None:
        self.dag_id, self.run_id = dag_id, run_id
        self._lock = asyncio.Lock()
        self._newest: Look | None = None

    @classmethod
    def of_run(cls, dag_id: str, run_id: str) -> Producer:
        """The producer of a run. It is kept only as long as a trigger uses it."""
        return _RUNS.setdefault((dag_id, run_id), cls(dag_id, run_id))

    async def look(self, last: Look | None = None) -> Look:
        """A look that is newer than `last`. Without `last`, one that begins now."""
        after = last.at if last else time.monotonic()
        async with self._lock:
            if self._newest is None or self._newest.at <= after:
                self._newest = await self._look()
            return self._newest

    async def _look(self) -> Look:
        at, before = time.monotonic(), self._newest
        state = await sync_to_async(self._state)()  # first: when the task has ended, every outcome is there
        if before and {before.state, state} <= NOT_STARTED:
            return Look(at, state, before.published)  # Airflow logs an error for each XCom that is not there
        key = {"key": OUTCOMES, "dag_id": self.dag_id, "run_id": self.run_id, "map_index": -1}
        return Look(at, state, await XCom.aget_one(task_id=RUN_HOUR, **key))

    def _state(self) -> str | None:
        """State of the task. A run from before the DAG had one counts as `removed`."""
        states = RuntimeTaskInstance.get_task_states(self.dag_id, task_ids=[RUN_HOUR], run_ids=[self.run_id])
        return states.get(self.run_id, {}).get(RUN_HOUR, "removed")


_RUNS: WeakValueDictionary[tuple[str, str], Producer] = WeakValueDictionary()
