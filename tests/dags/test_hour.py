"""The producer publishes outcomes; the task of a table ends like its table, or runs alone. With a fake spark-submit."""

from __future__ import annotations

import json
import stat
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.models.trigger import Trigger
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred
from airflow.serialization.decoders import smart_decode_trigger_kwargs
from airflow.serialization.serialized_objects import DagSerialization
from dags.edges import DAGS, load
from dags.test_operators import HOUR, program

from etl.airflow import pools
from etl.airflow.hour import HourOperator, TableOperator
from etl.airflow.triggers import OutcomeTrigger
from etl.airflow.watching import OUTCOMES, RAN_ALONE, RUN_HOUR, TRIGGER, published
from etl.model.outcome import Outcome

TRY = "0193-try"
PASSED = Outcome("fct_shares", "passed", rows_written=12, rules=8, seconds=3.1)
FAILED = Outcome("fct_shares", "failed", "GateFailed: fct_shares failed its gate and was not published", 4)


@pytest.fixture
def pushed() -> dict[str, Any]:
    """The XComs that a task pushes."""
    return {}


def context(pushed: dict[str, Any], tries: int = 1, *outlets: Asset) -> Any:
    """The context of a task, whose XComs go to a dictionary."""
    task = SimpleNamespace(
        id=TRY, try_number=tries, max_tries=4, xcom_push=lambda key, value: pushed.__setitem__(key, value)
    )
    events = {asset: SimpleNamespace(extra={}) for asset in outlets}
    return cast(Any, {"task_instance": task, "data_interval_start": HOUR, "outlet_events": events})


def printing(folder: Path, lines: list[str], code: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spark-submit that prints lines and exits with a code. Returns the file that will hold its arguments."""
    (folder / "lines").write_text("\n".join(lines) + "\n")
    file = folder / "spark-submit"
    file.write_text(f'#!/bin/sh\necho "$@" >{folder}/words\ncat {folder}/lines\nexit {code}\n')
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder / "words"


@pytest.mark.parametrize("code", [0, 1, 2, 3, 7, 137])
def test_the_producer_publishes_each_outcome_and_fails_with_its_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pushed: dict[str, Any], code: int
) -> None:
    """Failed tables do not fail it: `feed-etl run --outcomes` ends with 0. It never sends a mail.

    It is tried once more, but not after an error that another try would repeat.
    """
    monkeypatch.setenv("FEED_ETL_PROGRAM", str(program(tmp_path / "feed-etl", 0)))
    skipped = Outcome("fct_engagements", "skipped", "bronze_engagements")
    lines = ["a line", PASSED.as_line(TRY), skipped.as_line(TRY)]
    words = printing(tmp_path, lines, code, monkeypatch)
    producer = HourOperator(task_id=RUN_HOUR, command=["run", "--subject", "feed"])
    if code:
        is_final = code in (2, 4, 5)
        with pytest.raises(AirflowException, match="run alone now" if is_final else "once more") as raised:
            producer.execute(context(pushed))
        assert isinstance(raised.value, AirflowFailException) is is_final
    else:
        producer.execute(context(pushed))
    assert words.read_text().strip().endswith(f"run --subject feed --outcomes {TRY}")
    assert pushed == {OUTCOMES: published(TRY, [PASSED, skipped])}
    assert not (tmp_path / "feed-etl.words").exists()


def test_lines_that_are_no_outcome_of_this_try_are_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pushed: dict[str, Any]
) -> None:
    """A line of another try, text of a record that imitates one, and a line that was cut."""
    lines = [PASSED.as_line("another-try"), f"x {PASSED.as_line(TRY)}", f'{TRY} {{"table": "fct_sh']
    printing(tmp_path, lines, 0, monkeypatch)
    HourOperator(task_id=RUN_HOUR, command=["run"]).execute(context(pushed))
    assert pushed == {OUTCOMES: published(TRY, [])}


def test_the_last_try_of_the_producer_leaves_the_other_tables_to_their_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pushed: dict[str, Any]
) -> None:
    printing(tmp_path, [PASSED.as_line(TRY)], 137, monkeypatch)
    with pytest.raises(AirflowFailException, match="run alone now"):
        HourOperator(task_id=RUN_HOUR, command=["run"]).execute(context(pushed, tries=5))


def test_an_outcome_that_airflow_does_not_accept_does_not_stop_the_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's database may be down. The table then runs alone."""
    printing(tmp_path, [PASSED.as_line(TRY)], 0, monkeypatch)

    def refuse(key: str, value: Any) -> None:
        raise AirflowException("no database")

    given = context({})
    given["task_instance"].xcom_push = refuse
    HourOperator(task_id=RUN_HOUR, command=["run"]).execute(given)


def test_the_producer_refuses_deploy_mode_cluster(monkeypatch: pytest.MonkeyPatch, pushed: dict[str, Any]) -> None:
    """spark-submit would not print the lines of the application. The tables then run alone."""
    spark = {"conn_type": "spark", "host": "yarn", "extra": {"deploy-mode": "cluster"}}
    monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", json.dumps(spark))
    with pytest.raises(AirflowFailException, match="application_per: table"):
        HourOperator(task_id=RUN_HOUR, command=["run"]).execute(context(pushed))


def table(**more: Any) -> TableOperator:
    return TableOperator(
        task_id="fct_shares", inputs=["bronze_shares"], command=["run", "--table", "fct_shares"], **more
    )


def test_a_passed_table_succeeds_with_its_asset_event_and_starts_nothing(pushed: dict[str, Any]) -> None:
    asset = Asset("fct_shares")
    given = context(pushed, 1, asset)
    table(outlets=[asset]).resume(given, {"decision": "succeed", "outcome": asdict(PASSED)})
    assert given["outlet_events"][asset].extra == {"landed_hour": HOUR.isoformat()}
    assert pushed == {RAN_ALONE: False}


@pytest.mark.parametrize(("code", "is_final"), [(2, True), (4, True), (5, True), (1, False), (3, False), (7, False)])
def test_a_failed_table_fails_with_its_own_error_and_mails_like_a_table_that_ran_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pushed: dict[str, Any], code: int, is_final: bool
) -> None:
    """A failed audit fails at once and is mailed. A temporary error is retried, and the retry runs alone."""
    monkeypatch.setenv("FEED_ETL_PROGRAM", str(program(tmp_path / "feed-etl", 0)))
    outcome = asdict(Outcome("fct_shares", "failed", FAILED.text, code))
    with pytest.raises(AirflowException, match=FAILED.text) as raised:
        table().resume(context(pushed), {"decision": "fail", "outcome": outcome})
    assert isinstance(raised.value, AirflowFailException) is is_final
    assert (tmp_path / "feed-etl.words").exists() is is_final
    assert getattr(raised.value, "is_reported", False) is is_final


def test_a_table_that_runs_alone_submits_its_own_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pushed: dict[str, Any]
) -> None:
    """As with one application per table: the same words, exit codes and asset event."""
    words, asset = printing(tmp_path, [], 0, monkeypatch), Asset("fct_shares")
    given = context(pushed, 2, asset)
    table(outlets=[asset]).resume(given, {"decision": "run alone", "outcome": None})
    assert words.read_text().strip().endswith("run --table fct_shares")
    assert given["outlet_events"][asset].extra == {"landed_hour": HOUR.isoformat()}
    assert pushed == {RAN_ALONE: True}


def test_the_task_of_a_table_starts_in_the_triggerer() -> None:
    """So it holds no worker while it watches. `airflow tasks test` starts it in a worker, which defers it."""
    task = table()
    assert task.start_from_trigger
    assert task.start_trigger_args.trigger_cls == TRIGGER
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context({}))
    assert isinstance(deferred.value.trigger, OutcomeTrigger)
    assert deferred.value.method_name == "resume"
    assert deferred.value.trigger.serialize()[1] == task.start_trigger_args.trigger_kwargs


def test_the_triggerer_makes_the_trigger_from_the_stored_dag() -> None:
    """The scheduler stores the arguments of the trigger, and the triggerer reads them again."""
    file = next(file for file in DAGS if file.stem == "feed_hourly")
    stored = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(load(file)))))
    task = stored.get_task("fct_shares")
    row = Trigger(classpath=task.start_trigger_args.trigger_cls, kwargs=task.start_trigger_args.trigger_kwargs)
    arguments = {name: smart_decode_trigger_kwargs(value) for name, value in row.kwargs.items()}
    assert (task.start_from_trigger, row.classpath, task.start_trigger_args.next_method) == (True, TRIGGER, "resume")
    assert OutcomeTrigger(**arguments).serialize() == (TRIGGER, {"table": "fct_shares", "inputs": ["bronze_shares"]})


@pytest.mark.parametrize("file", [file for file in DAGS if file.stem.endswith("_hourly")], ids=lambda file: file.stem)
def test_only_the_producer_takes_a_slot_of_the_applications(file: Path) -> None:
    """A table must not wait for the slot of the application that it watches. The producer is retried once."""
    tasks = {task.task_id: task for task in load(file).tasks}
    producer = tasks.pop(RUN_HOUR)
    assert (producer.pool, producer.retries) == (pools.HOURLY, 1)
    assert {(task.pool, task.retries) for task in tasks.values()} == {(pools.TABLES, 4)}
