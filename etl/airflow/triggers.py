"""The trigger of a table's task: it watches the application of the hour from the triggerer, without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from airflow.sdk.execution_time.xcom import XCom
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from etl.airflow import ending
from etl.airflow.producer import SECONDS, Producer
from etl.airflow.watching import RAN_ALONE, Decision, Watch
from etl.model.outcome import Outcome


class OutcomeTrigger(BaseTrigger):
    """Waits until a table's task can end or must run alone.

    The task of a passed table ends here. Otherwise the event holds the decision and the table's outcome, and the task
    resumes in a worker.
    """

    def __init__(self, table: str, inputs: list[str]) -> None:
        super().__init__()
        self.table, self.inputs = table, inputs

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments, from which the triggerer makes the trigger."""
        return f"{__name__}.{type(self).__name__}", {"table": self.table, "inputs": self.inputs}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the producer every second until there is a decision."""
        watch = Watch(self.table, self._task.try_number == 1, await self._has_input_that_ran_alone())
        producer = Producer.of_run(self._task.dag_id, self._task.run_id)
        look = await producer.look()
        while (decision := watch.look(look.state, look.published)) is Decision.WAIT:
            await asyncio.sleep(SECONDS)
            look = await producer.look(look)
        yield self._event(decision, watch.outcome)

    @property
    def _task(self) -> Any:
        """The task instance, which the triggerer sets."""
        return self.task_instance

    async def _has_input_that_ran_alone(self) -> bool:
        ti = self._task
        at = {"key": RAN_ALONE, "dag_id": ti.dag_id, "run_id": ti.run_id, "map_index": -1}
        return any([await XCom.aget_one(task_id=name, **at) for name in self.inputs])

    def _event(self, decision: Decision, outcome: Outcome | None) -> TriggerEvent:
        if decision is Decision.SUCCEED and ending.is_installed():
            self.log.info("%s", outcome)
            return TaskSuccessEvent(xcoms={RAN_ALONE: False})
        return TriggerEvent({"decision": decision.value, "outcome": asdict(outcome) if outcome else None})
