"""`make airflow-demo ARGS=--hour`: an hour as one application, timed; a killed application; a table cleared by hand.

The first hour is compared with one cold `feed-etl run` of the same hour. At the end, the lake must equal the result of
one plain run over the same landing zone.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from etl.airflow.commands import HOUR
from etl.airflow.tables import steps
from etl.airflow.watching import RUN_HOUR
from support.airflow.acts import ON_CALL, expect, expect_hour, log, plain_run
from support.airflow.rest import Airflow, Unexpected
from support.airflow.sandbox import ONE_HOUR, Sandbox

HOURS = 2
IMPRESSIONS = 5000
DAG = "feed_hourly"
TABLES = {step.name for step in steps("feed")}
CLEARED = "dim_posts"


def show(sandbox: Sandbox) -> None:
    """Run the demo from an empty sandbox, with the settings of `make airflow`."""
    sandbox = replace(sandbox, settings={})
    first, second = sandbox.first, sandbox.first + ONE_HOUR
    sandbox.simulate(first, second + ONE_HOUR, IMPRESSIONS)
    cold = _cold_run(sandbox)
    with sandbox.smtp_server(), sandbox.scheduler() as airflow:
        log(f"Airflow is up at {airflow.url}")
        airflow.unpause(DAG)
        expect_hour(airflow, first)
        run = airflow.run_of(DAG, first)
        expect("no table ran alone", airflow.with_xcom(DAG, run, "ran_alone", True), set())
        seconds = airflow.seconds(DAG, run)
        log(f"scheduled to all green: {seconds:.1f} s; one cold run: {cold:.1f} s; ratio {seconds / cold:.2f}")
        expect("each table updated its asset", airflow.updated_assets(DAG, run), TABLES)
        silent = {name for name in TABLES if "passed its audit" not in airflow.log(DAG, run, name)}
        expect("each log has the verdict of its table", silent, set())
        _kill(airflow, sandbox, airflow.run_of(DAG, second))
        _clear(airflow, run)
    owners = [mail for mail in sandbox.mails() if mail["X-RcptTo"] != ON_CALL]  # a late hour is mailed to on-call
    expect("no owner got a mail", owners, [])
    plain_run(sandbox, first, second + ONE_HOUR)


def _cold_run(sandbox: Sandbox) -> float:
    """Seconds of one `feed-etl run` of the first hour into a lake of its own."""
    lake, end = str(sandbox.folder / "cold"), sandbox.first + ONE_HOUR
    started = time.monotonic()
    sandbox.feed_etl("--lake", lake, "run", "--from", sandbox.first.strftime(HOUR), "--to", end.strftime(HOUR))
    return time.monotonic() - started


def _kill(airflow: Airflow, sandbox: Sandbox, run: str) -> None:
    """Kill the application of an hour when some tables are green. Its second try makes the others."""
    green = airflow.first_success(DAG, run)
    for process in _applications(sandbox):
        os.kill(process, signal.SIGKILL)
    log(f"the application was killed when {len(green)} tables were green")
    expect("the run of a killed application is green", airflow.finished(DAG, run), "success")
    expect("no table ran alone", airflow.with_xcom(DAG, run, "ran_alone", True), set())
    tries = {name: task.try_number for name, task in airflow.tasks(DAG, run).items()}
    expect("only the producer has a second try", tries, {**dict.fromkeys(TABLES, 1), RUN_HOUR: 2})


def _clear(airflow: Airflow, run: str) -> None:
    """Clear one table of a finished hour. It runs alone, and no other table runs."""
    airflow.clear(DAG, run, [CLEARED], downstream=False)
    expect(f"{CLEARED} is green again", airflow.finished(DAG, run), "success")
    expect("only the cleared table ran alone", airflow.with_xcom(DAG, run, "ran_alone", True), {CLEARED})
    tries = {name: task.try_number for name, task in airflow.tasks(DAG, run).items()}
    expect("and only it has a second try", tries, {**dict.fromkeys({*TABLES, RUN_HOUR}, 1), CLEARED: 2})


def _applications(sandbox: Sandbox) -> list[int]:
    """Process ids of the running applications of whole hours of this sandbox: Java, and the Python it started."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            words, variables = (file.parent / "cmdline").read_bytes().split(b"\0"), file.read_bytes()
        except OSError:  # the process has ended, or belongs to another user
            continue
        if b"--outcomes" in words and f"AIRFLOW_HOME={sandbox.folder}\0".encode() in variables:
            found.append(int(file.parent.name))
    if not found:
        raise Unexpected("no application of an hour is running")
    return found
