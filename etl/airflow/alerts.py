"""Who is told when something is wrong. Nothing here changes a verdict: what fails here is a line in a log."""

from __future__ import annotations

import logging
import os
import subprocess
from typing import Any

from etl.airflow import commands

log = logging.getLogger("feed_etl")
SECONDS = 600


def tell_owners() -> None:
    """Mail the owners of tables whose gate failed, at once.

    Part of the task, not a callback of it: Airflow ends callbacks that go on for 20 seconds (`task_success_overtime`).
    """
    _feed_etl(commands.FAILURES)


def hour_is_late(context: dict[str, Any]) -> None:
    """An hour was not published in time. A backfilled hour is old by nature, so it is not late."""
    run = context["dag_run"]
    if run["run_type"] == "backfill":
        return
    text = f"{run['dag_id']}: the hour of run {run['dag_run_id']} was not published in time"
    log.error(text)
    if oncall := os.environ.get("FEED_ETL_ONCALL"):
        _mail(oncall, text)


def _mail(address: str, text: str) -> None:
    """By Airflow's own connection `smtp_default`."""
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    try:
        SmtpNotifier(to=address, from_email=address, subject=text, html_content=f"<p>{text}</p>").notify({})
    except Exception as error:  # whatever mail does, it is no more than a line in the log
        log.error("no mail to %s: %s", address, error)


def _feed_etl(words: list[str]) -> None:
    program = os.environ.get("FEED_ETL_PROGRAM", "feed-etl")
    try:
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.error("%s did not run: %s", " ".join(words), error)
        return
    if done.returncode:
        log.error("%s ended with %d: %s", " ".join(words), done.returncode, done.stderr.strip()[-500:])
