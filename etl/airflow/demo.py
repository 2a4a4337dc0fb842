"""`make airflow-demo`: an hour, a failing gate and a backfill through a real scheduler, from nothing, in a place apart.

Ends with 0 when everything came as it should, with 1 and the reason when not. Everything stays in airflow-home/demo.
"""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etl.airflow.commands import HOUR
from etl.airflow.rest import Airflow, Unexpected

ROOT = Path(__file__).parent.parent.parent
HOME = ROOT / "airflow-home" / "demo"
BROKEN = "bronze_engagements"
STOPPED = {"fct_engagements", "agg_post_engagement_hourly", "agg_ranker_hourly", "mart_user_affinity_daily"}
IMPRESSIONS = "200"


def say(text: str) -> None:
    """One line of what is seen, with the time."""
    print(f"{datetime.now(UTC):%H:%M:%S}  {text}", flush=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _place(first: datetime, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "AIRFLOW_HOME": str(HOME),
        "FEED_ETL_AIRFLOW_PORT": str(port),
        "FEED_ETL_FIRST_HOUR": first.strftime(HOUR),
        "FEED_ETL_LAKE": str(HOME / "lake"),
        "FEED_ETL_LANDING": str(HOME / "landing"),
        "SPARK_SUBMIT_OPTS": "-XX:TieredStopAtLevel=1",  # many short applications: compile little
    }


def _feed_etl(place: dict[str, str], *words: str) -> str:
    program = str(ROOT / ".venv" / "bin" / "feed-etl")
    return subprocess.run([program, *words], env=place, check=True, capture_output=True, text=True).stdout


@contextmanager
def _server(place: dict[str, str]) -> Iterator[Airflow]:
    """Everything `make airflow` starts, ended with all its children."""
    with (HOME / "airflow.log").open("w") as log:
        command = [str(ROOT / "bin" / "airflow-up")]
        running = subprocess.Popen(command, env=place, stdout=log, stderr=log, start_new_session=True)
        try:
            yield Airflow(int(place["FEED_ETL_AIRFLOW_PORT"]), HOME, running)
        finally:
            os.killpg(running.pid, signal.SIGTERM)
            running.wait(60)


def _cut_short(landing: Path, hour: datetime) -> Path:
    """A landed file as a broken upload leaves it: a gzip without its end."""
    file = landing / "engagements" / f"hour={hour.strftime(HOUR)}" / "cut-short.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"engagement_id": 1}\n' * 1000)[:-20])
    return file


def _expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Unexpected(f"{what}: expected {wanted}, found {found}")
    say(f"ok   {what}")


def _versions(place: dict[str, str]) -> str:
    query = "SELECT table_name, max(output_version) AS version FROM ledger GROUP BY table_name ORDER BY table_name"
    return _feed_etl(place, "sql", query, "--format", "csv")


def _hour(airflow: Airflow, hour: datetime) -> None:
    run = airflow.run_of("feed_hourly", hour)
    _expect(f"hour {hour.strftime(HOUR)} ran as scheduled", airflow.finished("feed_hourly", run), "success")


def _failing_gate(airflow: Airflow, hour: datetime, broken: Path) -> None:
    run = airflow.run_of("feed_hourly", hour)
    _expect(f"hour {hour.strftime(HOUR)} with a broken file failed", airflow.finished("feed_hourly", run), "failed")
    tasks = airflow.tasks("feed_hourly", run)
    red = {name for name, task in tasks.items() if task["state"] == "failed"}
    _expect("only the table whose gate failed is red", red, {BROKEN})
    _expect("it was tried once", tasks[BROKEN]["try_number"], 1)
    stopped = {name for name, task in tasks.items() if task["state"] == "upstream_failed"}
    _expect("what depends on it did not run", stopped >= STOPPED, True)
    broken.unlink()
    airflow.clear("feed_hourly", run)
    _expect("repaired and cleared, it is green", airflow.finished("feed_hourly", run), "success")


def _backfill(airflow: Airflow, place: dict[str, str], hour: datetime) -> None:
    before = _versions(place)
    span = ["--from-date", hour.isoformat(), "--to-date", hour.isoformat()]
    words = ["backfill", "create", "--dag-id", "feed_hourly", *span, "--reprocess-behavior", "completed"]
    subprocess.run([str(ROOT / "bin" / "airflow"), *words], env=place, check=True, capture_output=True)
    run = airflow.run_of("feed_hourly", hour, kind="backfill")
    _expect(f"Airflow's own backfill of {hour.strftime(HOUR)}", airflow.finished("feed_hourly", run), "success")
    _expect("nothing had changed, so no version moved", _versions(place), before)


def main() -> int:
    """The whole demo. Returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that Airflow is ended, too
    second = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    first = second - timedelta(hours=1)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    place = _place(first, _free_port())
    end = (second + timedelta(hours=1)).strftime(HOUR)
    size = ["--impressions-per-hour", IMPRESSIONS, "--seed", "7"]
    _feed_etl(place, "simulate", "--from", first.strftime(HOUR), "--to", end, *size)
    broken = _cut_short(HOME / "landing", second)
    say(f"landed two hours, the second with a file that was cut short: {broken}")
    try:
        with _server(place) as airflow:
            airflow.wait_until_up()
            say(f"Airflow is up at {airflow.url}")
            airflow.unpause("feed_hourly")
            _hour(airflow, first)
            _failing_gate(airflow, second, broken)
            _backfill(airflow, place, first)
    except Unexpected as error:
        say(f"FAIL {error}; the log is {HOME / 'airflow.log'}")
        return 1
    say("all as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
