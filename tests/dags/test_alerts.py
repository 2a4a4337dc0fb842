"""Who gets a mail when a task is killed, fails, or is not done in time."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk.exceptions import AirflowException
from dags.edges import DAGS, load

from etl.airflow import alerts
from etl.airflow.watching import RUN_HOUR


@pytest.mark.parametrize("file", DAGS, ids=lambda file: file.stem)
def test_every_task_of_every_dag_alerts_on_call_when_it_is_killed(file: Path) -> None:
    """This includes look-backs, reports, maintenance and backfills.

    The producer of an hour sends no mail: the tables that it leaves run alone, and mail when they fail.
    """
    silent = {task.task_id for task in load(file).tasks if alerts.task_failed not in task.on_failure_callback}
    assert silent <= {RUN_HOUR}


@pytest.mark.parametrize(("is_reported", "mails"), [(True, 0), (False, 1)])
def test_a_killed_task_sends_one_mail_and_a_reported_failure_sends_none(
    monkeypatch: pytest.MonkeyPatch, is_reported: bool, mails: int
) -> None:
    """Airflow passes the exception of a killed task as text, or not at all."""
    sent: list[Any] = []
    monkeypatch.setenv("FEED_ETL_ONCALL", "oncall@example.com")
    monkeypatch.setattr(SmtpNotifier, "notify", lambda self, _context: sent.append(self.subject))
    error: Any = AirflowException("x")
    error.is_reported = True
    task = SimpleNamespace(dag_id="feed_daily", task_id="maintain", run_id="r")
    alerts.task_failed({"exception": error if is_reported else "killed", "task_instance": task})
    assert sent == ["feed_daily.maintain, run r: the task failed and could not report why"] * mails


def test_on_call_addresses_come_from_the_environment_or_from_conf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEED_ETL_ONCALL", raising=False)
    assert alerts.on_call() == ["on-call@localhost"]
    monkeypatch.setenv("FEED_ETL_ONCALL", "a@example.com, b@example.com")
    assert alerts.on_call() == ["a@example.com", "b@example.com"]
    monkeypatch.delenv("FEED_ETL_ONCALL")
    monkeypatch.setenv("FEED_ETL_HOME", "/nowhere")
    assert alerts.on_call() == []


def test_a_mail_that_cannot_be_sent_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result of the task does not change."""
    monkeypatch.setenv("FEED_ETL_PROGRAM", "/nowhere/feed-etl")
    assert alerts.report(["maintain"], 137) is False


@pytest.mark.parametrize(("kind", "lines"), [("scheduled", 1), ("backfill", 0)])
def test_only_a_scheduled_hour_can_be_late(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, kind: str, lines: int
) -> None:
    """A backfilled hour is never late."""
    monkeypatch.setattr(alerts, "on_call", list)
    alerts.hour_is_late({"dag_run": {"dag_id": "feed_hourly", "dag_run_id": "r", "run_type": kind}})
    assert len(caplog.records) == lines


def test_on_call_gets_a_mail_about_a_late_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mail uses Airflow's SMTP connection. If the server is down, the error is only logged."""
    sent: list[Any] = []
    monkeypatch.setenv("FEED_ETL_ONCALL", "oncall@example.com")

    def refused(notifier: SmtpNotifier, _context: Any) -> None:
        sent.append((notifier.to, notifier.subject))
        raise ConnectionRefusedError

    monkeypatch.setattr(SmtpNotifier, "notify", refused)
    alerts.hour_is_late({"dag_run": {"dag_id": "feed_hourly", "dag_run_id": "r", "run_type": "scheduled"}})
    assert sent == [("oncall@example.com", "feed_hourly: the hour of run r was not published in time")]
