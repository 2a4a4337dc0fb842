"""What the task of a table does for every state of the producer: wait, succeed, fail or run alone."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.execution_time.xcom import XCom
from airflow.utils.state import TaskInstanceState

from etl.airflow import triggers
from etl.airflow.watching import NOT_STARTED, RAN_ALONE, RUN_HOUR, TRY_ID, Decision, Watch

WAIT, SUCCEED, FAIL, ALONE = Decision.WAIT, Decision.SUCCEED, Decision.FAIL, Decision.RUN_ALONE
ENDED = ["success", "failed", "skipped", "upstream_failed", "removed"]


def found(state: str, try_id: str = "try 1") -> dict[str, Any]:
    """A published outcome."""
    return {"table": "fct_shares", "state": state, TRY_ID: try_id}


@pytest.mark.parametrize("producer", ["running", *ENDED])
@pytest.mark.parametrize(
    ("state", "decision"), [("passed", SUCCEED), ("unchanged", SUCCEED), ("failed", FAIL), ("skipped", ALONE)]
)
def test_the_first_try_takes_the_outcome(producer: str, state: str, decision: Decision) -> None:
    """It does not matter whether the producer is still running, succeeded, or died after it made this table."""
    assert Watch(is_first_try=True, input_ran_alone=False).look(producer, found(state)) is decision


@pytest.mark.parametrize("is_first_try", [True, False])
@pytest.mark.parametrize(
    ("producers", "decision"), [(sorted(map(str, NOT_STARTED - {None})), WAIT), (["running"], WAIT), (ENDED, ALONE)]
)
def test_without_an_outcome_a_table_waits_for_the_producer_and_then_runs_alone(
    is_first_try: bool, producers: list[str], decision: Decision
) -> None:
    """A killed producer, or one that was marked by hand, leaves tables without an outcome."""
    for producer in producers:
        assert Watch(is_first_try, input_ran_alone=False).look(producer, None) is decision
    assert Watch(is_first_try, input_ran_alone=False).look(None, None) is WAIT


def test_every_state_of_a_task_has_a_decision() -> None:
    """A new release of Airflow may bring another state."""
    known = {*NOT_STARTED - {None}, "running", *ENDED}
    assert {state.value for state in TaskInstanceState} <= known


@pytest.mark.parametrize("state", ["passed", "unchanged", "failed", "skipped"])
@pytest.mark.parametrize("producer", ["running", "success", "failed"])
def test_a_table_that_is_retried_or_cleared_runs_alone(producer: str, state: str) -> None:
    assert Watch(is_first_try=False, input_ran_alone=False).look(producer, found(state)) is ALONE


def test_a_table_runs_alone_when_a_table_it_reads_did() -> None:
    """The application may have read the input before it was made again."""
    watch = Watch(is_first_try=True, input_ran_alone=True)
    assert [watch.look("running", None), watch.look("running", found("passed"))] == [WAIT, ALONE]


@pytest.mark.parametrize("state", ["passed", "failed"])
def test_a_whole_run_that_is_cleared_is_one_application_again(state: str) -> None:
    """Outcomes of the producer's earlier try are ignored, also while its new try has just begun."""
    watch = Watch(is_first_try=False, input_ran_alone=False)
    looks = [
        watch.look("queued", found(state, "try 1")),
        watch.look("running", found(state, "try 1")),
        watch.look("running", None),
        watch.look("running", found("passed", "try 2")),
    ]
    assert looks == [WAIT, WAIT, WAIT, SUCCEED]


def test_an_old_outcome_does_not_count_when_the_new_try_of_the_producer_dies() -> None:
    watch = Watch(is_first_try=True, input_ran_alone=False)
    assert [watch.look(None, found("passed")), watch.look("failed", found("passed"))] == [WAIT, ALONE]


def events(monkeypatch: pytest.MonkeyPatch, looks: list[tuple[str | None, Any]], alone: bool = False) -> list[Any]:
    """The payloads of the trigger for what it sees at each look: the state of the producer, and an outcome."""
    seen: dict[str, Any] = {}

    def states(dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, Any]:
        assert (dag_id, task_ids, run_ids) == ("feed_hourly", [RUN_HOUR], ["r"])
        state, seen["outcome"] = looks.pop(0)
        return {} if state == "no task" else {"r": {RUN_HOUR: state}}

    async def xcom(*, key: str, task_id: str, **_: Any) -> Any:
        return alone if key == RAN_ALONE else seen["outcome"]

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", states)
    monkeypatch.setattr(XCom, "aget_one", xcom)
    monkeypatch.setattr(triggers, "SECONDS", 0.0)
    trigger = triggers.OutcomeTrigger("fct_shares", ["bronze_shares"])
    trigger._task_instance = SimpleNamespace(dag_id="feed_hourly", run_id="r", try_number=1)

    async def collect() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    return asyncio.run(collect())


def test_the_trigger_fires_once_with_the_decision_and_the_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [(None, None), ("running", None), ("running", found("passed"))]
    assert events(monkeypatch, looks) == [{"decision": "succeed", "outcome": found("passed")}]


def test_the_trigger_knows_that_an_input_ran_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fired = events(monkeypatch, [("running", found("passed"))], alone=True)
    assert [event["decision"] for event in fired] == ["run alone"]


def test_a_run_from_before_the_dag_had_a_producer_runs_its_tables_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert events(monkeypatch, [("no task", None)]) == [{"decision": "run alone", "outcome": None}]


def test_the_triggerer_can_make_the_trigger_again() -> None:
    path, arguments = triggers.OutcomeTrigger("fct_shares", ["bronze_shares"]).serialize()
    assert path == "etl.airflow.triggers.OutcomeTrigger"
    assert triggers.OutcomeTrigger(**arguments).serialize() == (path, arguments)
