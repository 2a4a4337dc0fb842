"""What the task of a table does for every state of the producer: wait, succeed, fail or run alone."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.execution_time.xcom import XCom
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent
from airflow.utils.state import TaskInstanceState

from etl.airflow import ending, triggers
from etl.airflow.watching import NOT_STARTED, OUTCOMES, RAN_ALONE, RUN_HOUR, TRIGGER, Decision, Watch, published
from etl.model.outcome import Outcome, State

WAIT, SUCCEED, FAIL, ALONE = Decision.WAIT, Decision.SUCCEED, Decision.FAIL, Decision.RUN_ALONE
ENDED = ["success", "failed", "skipped", "upstream_failed", "removed"]


BEGUN = published("try 1", [])
"""What the producer publishes before the first table ends."""


def found(state: State, try_id: str = "try 1") -> dict[str, Any]:
    """What the producer publishes when the table has ended; another table has ended, too."""
    return published(try_id, [Outcome("dim_posts", "passed"), Outcome("fct_shares", state)])


def watching(is_first_try: bool = True, input_ran_alone: bool = False) -> Watch:
    """The watch of the table."""
    return Watch("fct_shares", is_first_try, input_ran_alone)


@pytest.mark.parametrize("producer", ["running", *ENDED])
@pytest.mark.parametrize(
    ("state", "decision"), [("passed", SUCCEED), ("unchanged", SUCCEED), ("failed", FAIL), ("skipped", ALONE)]
)
def test_the_first_try_takes_the_outcome(producer: str, state: State, decision: Decision) -> None:
    """It does not matter whether the producer is still running, succeeded, or died after it made this table."""
    watch = watching()
    assert watch.look(producer, found(state)) is decision
    assert watch.outcome == Outcome("fct_shares", state)


@pytest.mark.parametrize("is_first_try", [True, False])
@pytest.mark.parametrize(
    ("producers", "decision"), [(sorted(map(str, NOT_STARTED - {None})), WAIT), (["running"], WAIT), (ENDED, ALONE)]
)
def test_without_an_outcome_a_table_waits_for_the_producer_and_then_runs_alone(
    is_first_try: bool, producers: list[str], decision: Decision
) -> None:
    """A killed producer, or one that was marked by hand, leaves tables without an outcome."""
    others = published("try 1", [Outcome("dim_posts", "passed")])
    for producer in producers:
        for seen in (None, BEGUN, others):
            assert watching(is_first_try).look(producer, seen) is decision
    assert watching(is_first_try).look(None, None) is WAIT


def test_every_state_of_a_task_has_a_decision() -> None:
    """A new release of Airflow may bring another state."""
    known = {*NOT_STARTED - {None}, "running", *ENDED}
    assert {state.value for state in TaskInstanceState} <= known


@pytest.mark.parametrize("state", ["passed", "unchanged", "failed", "skipped"])
@pytest.mark.parametrize("producer", ["running", "success", "failed"])
def test_a_table_that_is_retried_or_cleared_runs_alone(producer: str, state: State) -> None:
    assert watching(is_first_try=False).look(producer, found(state)) is ALONE


def test_a_table_runs_alone_when_a_table_it_reads_did() -> None:
    """The application may have read the input before it was made again."""
    watch = watching(input_ran_alone=True)
    assert [watch.look("running", None), watch.look("running", found("passed"))] == [WAIT, ALONE]


@pytest.mark.parametrize("state", ["passed", "failed"])
def test_a_whole_run_that_is_cleared_is_one_application_again(state: State) -> None:
    """Outcomes of the producer's earlier try are ignored, also while its new try has just begun."""
    watch = watching(is_first_try=False)
    looks = [
        watch.look("queued", found(state, "try 1")),
        watch.look("running", found(state, "try 1")),
        watch.look("running", None),
        watch.look("running", published("try 2", [])),
        watch.look("running", found("passed", "try 2")),
    ]
    assert looks == [WAIT, WAIT, WAIT, WAIT, SUCCEED]


def test_a_table_waits_for_the_second_try_of_a_killed_application() -> None:
    """The second try skips what the first one made, and makes the rest."""
    watch = watching()
    looks = [
        watch.look("running", BEGUN),
        watch.look("up_for_retry", BEGUN),
        watch.look("running", BEGUN),
        watch.look("running", found("passed", "try 2")),
    ]
    assert looks == [WAIT, WAIT, WAIT, SUCCEED]


def test_an_old_outcome_does_not_count_when_the_new_try_of_the_producer_dies() -> None:
    watch = watching()
    assert [watch.look(None, found("passed")), watch.look("failed", found("passed"))] == [WAIT, ALONE]


class Run:
    """A run whose producer is seen in one state after another. `looks` counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seen: list[tuple[str | None, Any]], alone: bool = False):
        self.seen, self.alone, self.looks = seen, alone, 0
        monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", self.states)
        monkeypatch.setattr(XCom, "aget_one", self.xcom)
        monkeypatch.setattr(triggers, "SECONDS", 0.0)

    def states(self, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, Any]:
        assert (dag_id, task_ids, run_ids) == ("feed_hourly", [RUN_HOUR], ["r"])
        self.looks += 1
        state, self.published = self.seen.pop(0)
        return {} if state == "no task" else {"r": {RUN_HOUR: state}}

    async def xcom(self, *, key: str, **_: Any) -> Any:
        return self.published if key == OUTCOMES else self.alone

    async def watch(self, table: str = "fct_shares") -> list[TriggerEvent]:
        """The events of the trigger of a table."""
        trigger = triggers.OutcomeTrigger(table, ["bronze_shares"])
        trigger._task_instance = SimpleNamespace(dag_id="feed_hourly", run_id="r", try_number=1)
        return [event async for event in trigger.run()]

    def payloads(self) -> list[Any]:
        """The payloads of the events of the trigger."""
        return [event.payload for event in asyncio.run(self.watch())]


def test_the_trigger_fires_once_with_the_decision_and_the_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, [(None, None), ("running", None), ("running", BEGUN), ("running", found("passed"))])
    assert run.payloads() == [{"decision": "succeed", "outcome": asdict(Outcome("fct_shares", "passed"))}]


def test_the_trigger_knows_that_an_input_ran_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, [("running", found("passed"))], alone=True)
    assert [event["decision"] for event in run.payloads()] == ["run alone"]


def test_a_run_from_before_the_dag_had_a_producer_runs_its_tables_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, [("no task", None)])
    assert run.payloads() == [{"decision": "run alone", "outcome": None}]


@pytest.mark.parametrize("state", ["passed", "unchanged", "failed", "skipped"])
def test_only_the_task_of_a_passed_table_ends_in_the_triggerer(monkeypatch: pytest.MonkeyPatch, state: State) -> None:
    """A failed table needs a worker to send its mails, and a table that runs alone to run."""
    monkeypatch.setattr(ending, "is_installed", lambda: True)
    (event,) = asyncio.run(Run(monkeypatch, [("running", found(state))]).watch())
    assert isinstance(event, TaskSuccessEvent) is (state in ("passed", "unchanged"))
    assert not isinstance(event, TaskSuccessEvent) or event.xcoms == {RAN_ALONE: False}


def test_the_triggers_of_a_run_share_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a run costs one look a second, however many tables it has."""
    run = Run(monkeypatch, [("running", BEGUN)] * 3 + [("running", found("passed"))] * 20)

    async def watch_all() -> None:
        await asyncio.gather(*(run.watch(table) for table in ["dim_posts", "fct_shares"] * 10))

    asyncio.run(watch_all())
    assert run.looks < 10


def test_the_triggerer_can_make_the_trigger_again() -> None:
    path, arguments = triggers.OutcomeTrigger("fct_shares", ["bronze_shares"]).serialize()
    assert path == TRIGGER
    assert triggers.OutcomeTrigger(**arguments).serialize() == (path, arguments)
