"""The trigger of a table's task: it watches the application of the hour from the triggerer, without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.execution_time.xcom import XCom
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from etl.airflow.watching import RAN_ALONE, RUN_HOUR, Decision, Watch

SECONDS = 2.0


class OutcomeTrigger(BaseTrigger):
    """Waits until a table's task can end or must run alone. The event holds the decision and the table's outcome."""

    def __init__(self, table: str, inputs: list[str]) -> None:
        super().__init__()
        self.table, self.inputs = table, inputs

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments, from which the triggerer makes the trigger."""
        return f"{__name__}.{type(self).__name__}", {"table": self.table, "inputs": self.inputs}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the producer every two seconds."""
        ran_alone = [await self._xcom(name, RAN_ALONE) for name in self.inputs]
        watch = Watch(is_first_try=self._task.try_number == 1, input_ran_alone=any(ran_alone))
        while True:
            producer = await sync_to_async(self._producer)()  # first: when it has ended, every outcome is there
            found = await self._xcom(RUN_HOUR, self.table)
            decision = watch.look(producer, found)
            if decision is not Decision.WAIT:
                yield TriggerEvent({"decision": decision.value, "outcome": found})
                return
            await asyncio.sleep(SECONDS)

    @property
    def _task(self) -> Any:
        """The task instance, which the triggerer sets."""
        return self.task_instance

    def _producer(self) -> str | None:
        """State of the producer's task. A run from before the DAG had one counts as `removed`."""
        ti = self._task
        states = RuntimeTaskInstance.get_task_states(ti.dag_id, task_ids=[RUN_HOUR], run_ids=[ti.run_id])
        return states.get(ti.run_id, {}).get(RUN_HOUR, "removed")

    async def _xcom(self, task_id: str, key: str) -> Any:
        """A value that another task of this run has published; None without it."""
        ti = self._task
        return await XCom.aget_one(key=key, dag_id=ti.dag_id, task_id=task_id, run_id=ti.run_id, map_index=-1)
