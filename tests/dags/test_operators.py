"""How the operators handle exit codes of `feed-etl`, with a fake spark-submit that exits with a given code."""

from __future__ import annotations

import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    ParamValidationError,
)
from dags.edges import load
from jinja2 import StrictUndefined, Template
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, SpanContext, TraceFlags, use_span

from etl.airflow import commands, pools
from etl.airflow.operators import FINAL, BackfillOperator, FeedEtlOperator

HOUR = datetime(2026, 6, 1, 10, tzinfo=UTC)
FIRST = datetime(2026, 6, 1, 3, tzinfo=UTC)
PARAMS = {
    "from": "2026-06-01T10:00:00Z",
    "to": "2026-06-02T10:00:00+00:00",
    "tables": ["fct_shares"],
    "only": "missing",
    "reason": "a lost file",
    "owner": "content",
    "agreed": False,
    "accept_changes": False,
    "resume": "",
    "ad_from": None,
    "ad_to": None,
    "dry_run": False,
}


def program(path: Path, code: int) -> Path:
    """A program that records its arguments and the variable TRACEPARENT, and exits with a code."""
    path.write_text(f'#!/bin/sh\necho "$@" >>{path}.words\necho "$TRACEPARENT" >>{path}.trace\nexit {code}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def ends_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make spark-submit exit with a given code. Returns the file with the recorded arguments."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def end(code: int) -> Path:
        return Path(f"{program(tmp_path / 'spark-submit', code)}.words")

    return end


def run(operator: FeedEtlOperator, tries: int = 1, **context: Any) -> dict[str, Any]:
    """Execute an operator for an hour, on try number `tries` of five. Returns the context."""
    events = {asset: SimpleNamespace(extra={}) for asset in operator.outlets}
    given = {"data_interval_start": HOUR, "outlet_events": events, "task": operator, **context}
    given["task_instance"] = SimpleNamespace(try_number=tries, max_tries=4)
    operator.execute(cast(Any, given))
    return given


@pytest.mark.parametrize("code", [2, 4, 5])
def test_an_error_that_a_retry_cannot_change_fails_at_once(ends_with: Any, code: int) -> None:
    """A bad setting, a failed audit, a contract violation."""
    ends_with(code)
    with pytest.raises(AirflowFailException, match=f"exit code {code}"):
        run(FeedEtlOperator(task_id="t", command=["run"]))


@pytest.mark.parametrize("code", [1, 3, 6, 7, 137])
def test_a_temporary_error_is_retried(ends_with: Any, code: int) -> None:
    """The landing zone, a conflict, the lake, a killed process."""
    ends_with(code)
    with pytest.raises(AirflowException) as raised:
        run(FeedEtlOperator(task_id="t", command=["run"]))
    assert not isinstance(raised.value, AirflowFailException)


@pytest.mark.parametrize(("named", "is_passed"), [("/srv/spark.properties", True), (None, False)])
def test_spark_submit_gets_the_properties_file_of_the_environment(
    ends_with: Any, monkeypatch: pytest.MonkeyPatch, named: str | None, is_passed: bool
) -> None:
    """`bin/airflow` sets a file, unless Spark has its own configuration folder."""
    words = ends_with(0)
    if named:
        monkeypatch.setenv("FEED_ETL_SPARK_PROPERTIES", named)
    run(FeedEtlOperator(task_id="t", command=["run"]))
    assert ("--properties-file /srv/spark.properties" in words.read_text()) is is_passed


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (SpanContext(0x4BF9, 0x00F0, False, TraceFlags(1)), f"00-{0x4BF9:032x}-{0x00F0:016x}-01"),
        (INVALID_SPAN_CONTEXT, ""),  # Airflow records no traces
    ],
)
def test_the_command_continues_the_trace_of_its_task(ends_with: Any, span: SpanContext, expected: str) -> None:
    """Airflow makes the span of a task the current one."""
    traced = ends_with(0).with_suffix(".trace")
    with use_span(NonRecordingSpan(span)):
        run(FeedEtlOperator(task_id="t", command=["run"]))
    assert traced.read_text() == f"{expected}\n"


def test_the_asset_event_names_the_landed_hour(ends_with: Any) -> None:
    """The asset event has the landed hour as extra data."""
    ends_with(0)
    table = Asset("fct_shares")
    context = run(FeedEtlOperator(task_id="fct_shares", command=["run"], outlets=[table]))
    assert context["outlet_events"][table].extra == {"landed_hour": HOUR.isoformat()}


def test_a_backfill_command_is_built_from_the_form(ends_with: Any) -> None:
    """Instants become hours in UTC; lists become repeated options."""
    words = ends_with(0)
    run(BackfillOperator(task_id="run", words=commands.backfill_run), params=PARAMS)
    assert (
        words.read_text()
        .strip()
        .endswith(
            "backfill run --from 2026-06-01T10 --to 2026-06-02T10 --only missing --table fct_shares "
            "--reason a lost file --owner content"
        )
    )


def test_a_killed_backfill_is_resumed_by_its_id(ends_with: Any) -> None:
    """The command does not repeat the other parameters of the backfill."""
    words = ends_with(0)
    resumed = {**PARAMS, "resume": "backfill-1", "accept_changes": True}
    run(BackfillOperator(task_id="run", words=commands.backfill_run), params=resumed)
    assert words.read_text().strip().endswith("backfill run --resume backfill-1 --accept-changes")


def test_a_dry_run_ends_after_the_plan(ends_with: Any) -> None:
    """The task `plan` runs; the task `run` is skipped."""
    words = ends_with(0)
    dry = {**PARAMS, "dry_run": True}
    run(BackfillOperator(task_id="plan", words=commands.backfill_plan), params=dry)
    with pytest.raises(AirflowSkipException):
        run(BackfillOperator(task_id="run", words=commands.backfill_run, skip_dry=True), params=dry)
    assert len(words.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"tables": ["likes"]},
        {"only": "some"},
        {"owner": "nobody"},
        {"reason": ""},
        {"to": None},
        {"ad_from": "first"},
    ],
    ids=str,
)
def test_the_form_refuses_invalid_values(wrong: dict[str, Any]) -> None:
    """The UI and the API report the error before a DAG run exists."""
    form = load(Path(__file__).parent.parent.parent / "dags" / "feed_backfill.py").params
    form.update(PARAMS)
    form.validate()
    with pytest.raises(ParamValidationError):
        form.update(wrong)


@pytest.mark.parametrize("instant", ["2026-06-01T10:30:00Z", "yesterday"])
def test_an_instant_that_is_not_a_whole_hour_is_refused_before_spark_starts(ends_with: Any, instant: str) -> None:
    """The message contains the given value."""
    words = ends_with(0)
    with pytest.raises(AirflowFailException, match=instant):
        run(BackfillOperator(task_id="run", words=commands.backfill_run), params={**PARAMS, "from": instant})
    assert not words.exists()


def rendered(words: list[str], start: str, interval: timedelta) -> list[str]:
    """Words after Airflow has rendered their templates for a data interval."""
    begin = datetime.fromisoformat(start)
    dag_run = SimpleNamespace(run_after=begin + interval)
    given = {"data_interval_start": begin, "data_interval_end": begin + interval, "dag_run": dag_run}
    return [Template(word).render(given, macros=SimpleNamespace(timedelta=timedelta)) for word in words]


def test_a_manual_run_reports_the_day_of_its_start() -> None:
    """A manual run may have no data interval."""
    by_hand = SimpleNamespace(run_after=datetime.fromisoformat("2026-06-02T09:30"))
    assert Template(commands.DAY, undefined=StrictUndefined).render(dag_run=by_hand) == "2026-06-02"
    assert rendered([commands.DAY], "2026-06-01T02:00", timedelta(days=1)) == ["2026-06-01"]


def test_a_manual_run_looks_for_late_files() -> None:
    """Its look-back counts from its start, at 09:30."""
    by_hand = SimpleNamespace(run_after=datetime.fromisoformat("2026-06-09T09:30"))
    given = {"dag_run": by_hand, "macros": SimpleNamespace(timedelta=timedelta)}
    words = [Template(w, undefined=StrictUndefined).render(given) for w in commands.late(FIRST, "feed")]
    assert words[1:5] == ["--from", "2026-06-08T08", "--to", "2026-06-09T08"]


def test_the_daily_run_of_ads_ends_with_the_hour_before_the_last() -> None:
    """The run at 03:00 includes the whole day that ended at midnight."""
    words = rendered(commands.late(FIRST, "ads", 8 * 24), "2026-06-20T03:00", timedelta(days=1))
    assert words[1:5] == ["--from", "2026-06-13T02", "--to", "2026-06-21T02"]


@pytest.mark.parametrize(
    ("start", "look_back", "oldest"),
    [
        ("2026-06-01T09:00", 0, "2026-06-01T09"),
        ("2026-06-01T09:00", 2, "2026-06-01T07"),
        ("2026-06-01T04:00", 2, "2026-06-01T03"),
        ("2026-05-31T09:00", 2, "2026-05-31T09"),  # a backfill of an hour before the first hour
    ],
)
def test_the_look_back_of_an_hour_does_not_reach_before_the_first_hour(start: str, look_back: int, oldest: str) -> None:
    words = rendered(commands.hour(["--table", "fct_shares"], FIRST, look_back), start, timedelta(hours=1))
    end = f"{datetime.fromisoformat(start) + timedelta(hours=1):%Y-%m-%dT%H}"
    options = ["--table", "fct_shares", "--hour-by-hour", "--migrate", "--skip-failed"]
    assert words == ["run", "--from", oldest, "--to", end, *options]


@pytest.mark.parametrize(
    ("start", "oldest"), [("2026-06-01T09:30", "2026-06-01T03"), ("2026-06-09T09:30", "2026-06-08T09")]
)
def test_late_files_are_searched_one_day_back_but_not_before_the_first_hour(start: str, oldest: str) -> None:
    """The run at 10:30 checks hours before 09:00, because hour 09:00 may still be running."""
    words = rendered(commands.late(FIRST, "feed"), start, timedelta(hours=1))
    options = ["--subject", "feed", "--hour-by-hour", "--migrate", "--skip-failed"]
    assert words == ["run", "--from", oldest, "--to", f"{start[:10]}T09", *options]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 7, 8, 137])
@pytest.mark.parametrize("works", [True, False])
def test_owners_and_on_call_get_one_mail_when_a_task_fails_for_good(
    ends_with: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, works: bool
) -> None:
    """The report command runs before the task ends, because Airflow kills whatever runs later."""
    monkeypatch.setenv("FEED_ETL_PROGRAM", str(program(tmp_path / "feed-etl", 0 if works else 7)))
    ends_with(code)
    words = tmp_path / "feed-etl.words"
    with pytest.raises((AirflowException, AirflowFailException)) as raised:
        run(FeedEtlOperator(task_id="t", command=["run", "--table", "fct_shares"]), tries=1 if code in FINAL else 5)
    noted = ["--failed-command", "run", "--table", "fct_shares", "--code", str(code)]
    assert words.read_text().split() == [*commands.FAILURES, *noted]
    failure: Any = raised.value
    assert failure.is_reported is works


@pytest.mark.parametrize(("code", "tries"), [(0, 1), (6, 1), (137, 4)])
def test_a_retried_or_successful_task_sends_no_mail(
    ends_with: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, tries: int
) -> None:
    monkeypatch.setenv("FEED_ETL_PROGRAM", str(program(tmp_path / "feed-etl", 0)))
    ends_with(code)
    with suppress(AirflowException):
        run(FeedEtlOperator(task_id="t", command=["run"]), tries=tries)
    assert not (tmp_path / "feed-etl.words").exists()


@pytest.mark.parametrize(
    ("run_id", "pool"), [("scheduled__2026", pools.HOURLY), ("backfill__2026", pools.BACKFILL), (None, pools.HOURLY)]
)
def test_airflows_own_backfills_use_the_smaller_pool(run_id: str | None, pool: str) -> None:
    """The run id tells whether a task belongs to a backfill."""
    task_instance: Any = SimpleNamespace(run_id=run_id, pool=pools.HOURLY)
    pools.task_instance_mutation_hook(task_instance, None)
    assert task_instance.pool == pool
