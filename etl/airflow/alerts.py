"""Alerts to owners and on-call. An alert never changes the result of a task: if an alert fails, it logs a line."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
from html import escape
from typing import Any

from etl.airflow import commands

log = logging.getLogger("feed_etl")
SECONDS = 600
ON_CALL = "FEED_ETL_ONCALL"


def report(words: list[str], code: int | None) -> bool:
    """Mail owners and on-call about a command that failed for good. Returns whether the report command succeeded.

    Called inside the task, not in a callback: Airflow stops callbacks after 20 seconds (`task_success_overtime`).
    """
    ended = [] if code is None else ["--code", str(code)]
    return _feed_etl([*commands.FAILURES, "--failed-command", shlex.join(words), *ended])


def task_failed(context: dict[str, Any]) -> None:
    """Alert on-call about a task that failed without a report: it was killed, or `report failures` did not work."""
    if getattr(context.get("exception"), "is_reported", False):
        return
    task = context["task_instance"]
    _alert(f"{task.dag_id}.{task.task_id}, run {task.run_id}: the task failed and could not report why")


def hour_is_late(context: dict[str, Any]) -> None:
    """Alert on-call about an hour that was not published in time. Backfilled hours are never late."""
    run = context["dag_run"]
    if run["run_type"] == "backfill":
        return
    _alert(f"{run['dag_id']}: the hour of run {run['dag_run_id']} was not published in time")


def _alert(text: str) -> None:
    """Log a line and send a mail to each on-call address."""
    log.error(text)
    for address in on_call():
        _mail(address, text)


def on_call() -> list[str]:
    """The comma-separated addresses of FEED_ETL_ONCALL, or else the addresses of `on_call` in conf/."""
    addresses = [address.strip() for address in os.environ.get(ON_CALL, "").split(",")]
    if any(addresses):
        return [address for address in addresses if address]
    try:
        from etl import conf

        return list(conf.load().on_call)
    except Exception as error:  # the alert is still in the log
        log.error("no on-call address could be read: %s", error)
        return []


def _mail(address: str, text: str) -> None:
    """Send a mail with Airflow's connection `smtp_default`."""
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    try:
        html = f"<p>{escape(text)}</p>"
        SmtpNotifier(to=address, from_email=address, subject=text, html_content=html).notify({})
    except Exception as error:  # a failed mail must not fail the callback
        log.error("could not send a mail to %s: %s", address, error)


def _feed_etl(words: list[str]) -> bool:
    program = os.environ.get("FEED_ETL_PROGRAM", "feed-etl")
    try:
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.error("%s did not run: %s", " ".join(words), error)
        return False
    if done.returncode:
        log.error("%s failed with exit code %d: %s", " ".join(words), done.returncode, done.stderr.strip()[-500:])
    return done.returncode == 0
