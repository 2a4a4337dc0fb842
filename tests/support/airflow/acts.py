"""Steps of the Airflow demos: expect an hour, break and repair audits, read mails, fill in the backfill form."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.airflow.commands import HOUR
from etl.airflow.tables import steps
from etl.sources.stamps import iso, snowflake, to_us
from support.airflow.rest import Airflow, Unexpected
from support.airflow.sandbox import ONE_HOUR, Sandbox

RED = {"bronze_engagements": "ingest", "fct_impressions": "ranking", "fct_shares": "content"}
STOPPED = {"fct_engagements", "agg_post_engagement_hourly", "agg_ranker_hourly", "mart_user_affinity_daily"}
NOBODY = 2**40
TRIES = 5
ON_CALL = "on-call@localhost"


def log(text: str) -> None:
    """Print one line with the time."""
    print(f"{datetime.now(UTC):%H:%M:%S}  {text}", flush=True)


def expect(what: str, found: object, wanted: object) -> None:
    """Print that an expectation holds. Raises Unexpected when it does not."""
    if found != wanted:
        raise Unexpected(f"{what}: expected {wanted}, found {found}")
    log(f"ok   {what}")


def expect_hour(airflow: Airflow, hour: datetime, dag: str = "feed_hourly") -> None:
    """Expect that a scheduled run of a DAG for an hour appears and succeeds."""
    run = airflow.run_of(dag, hour)
    expect(f"{dag}, hour {hour.strftime(HOUR)}", airflow.finished(dag, run), "success")


def hold_back(sandbox: Sandbox, event: str, hour: datetime) -> Callable[[], object]:
    """Take away one landed file of an hour. Returns a function that lands it again."""
    file = min(sandbox.landed(event, hour).iterdir())
    held = shutil.move(file, sandbox.folder)
    return lambda: shutil.move(held, file)


def plain_run(sandbox: Sandbox, start: datetime, end: datetime, *words: str) -> None:
    """Process the same landing zone in one run without Airflow, into the lake `plain`."""
    plain = str(sandbox.folder / "plain")
    sandbox.feed_etl("--lake", plain, "run", "--from", start.strftime(HOUR), "--to", end.strftime(HOUR), *words)
    log(f"the same landing zone in one plain run: {plain}")


def break_gates(sandbox: Sandbox, hour: datetime) -> list[Path]:
    """Land three bad files, each failing the audit of another owner's table; make a rule of shares critical."""
    rule = sandbox.rules / "expectations" / "feed" / "fct_shares.yaml"
    rule.write_text(rule.read_text().replace("severity: warning", "severity: critical"))
    now = to_us(hour) + 1_800_000_000
    seen = {"viewer_id": NOBODY, "impression_ts": iso(now), "impression_id": snowflake(now // 1000, 7)}
    seen |= {"post_id": 1, "feed_position": 1, "surface": "feed", "predicted_score": 0.5, "ranker_model_id": NOBODY}
    shared = {"share_id": NOBODY, "original_post_id": 1, "shared_post_id": 1, "viewer_id": NOBODY, "share_ts": iso(now)}
    return [
        sandbox.land("engagements", hour, "cut-short.jsonl.gz", gzip.compress(b'{"engagement_id": 1}\n' * 1000)[:-20]),
        sandbox.land("impressions", hour, "unknown-model.jsonl", _line(seen)),
        sandbox.land("shares", hour, "of-itself.jsonl", _line(shared)),
    ]


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def failing_gates(airflow: Airflow, sandbox: Sandbox, hour: datetime, broken: list[Path]) -> None:
    """Expect an hour with three bad files: three failed tables, three mails. After the repair, the hour succeeds.

    The files are emptied, not removed: an hour without any files keeps what was read of it.
    """
    run = airflow.run_of("feed_hourly", hour)
    expect(f"hour {hour.strftime(HOUR)} with broken files failed", airflow.finished("feed_hourly", run), "failed")
    tasks = airflow.tasks("feed_hourly", run)
    red = {name: task.try_number for name, task in tasks.items() if task.state == "failed"}
    expect("only tables whose audit failed are failed, after one try", red, dict.fromkeys(RED, 1))
    stopped = {name for name, task in tasks.items() if task.state == "upstream_failed"}
    expect("downstream tables did not run", stopped >= STOPPED, True)
    _expect_mails(sandbox)
    for file in broken:
        file.write_bytes(gzip.compress(b"") if file.suffix == ".gz" else b"")
    airflow.clear("feed_hourly", run, [f"bronze_{file.parent.parent.name}" for file in broken])
    expect("the hour succeeds after repair and clear", airflow.finished("feed_hourly", run), "success")


def _expect_mails(sandbox: Sandbox) -> None:
    owners = [mail for mail in sandbox.mails() if mail["X-RcptTo"] != ON_CALL]
    by_address = {str(mail["X-RcptTo"]): mail for mail in owners}
    expect("three owners got one mail each", (sorted(by_address), len(owners)), (_addresses(), len(RED)))
    expect("on-call got mail, too", len(owners) < len(sandbox.mails()), True)
    for table, owner in RED.items():
        mail = by_address[f"{owner}@localhost"]
        body = mail.get_body(("plain",))
        words = set(re.findall(r"\w+", body.get_content() if body else ""))
        named = {step.owner for step in steps() if step.name in words}
        expect(f"{owner}: {mail['Subject']}", table in str(mail["Subject"]) and named <= {owner}, True)


def _addresses() -> list[str]:
    return sorted(f"{owner}@localhost" for owner in RED.values())


def form(start: datetime, end: datetime, **given: Any) -> dict[str, Any]:
    """The parameters of the `feed_backfill` form."""
    declared = {"reason": "a demo", "owner": "content", "dry_run": False}
    return {"from": start.isoformat(), "to": end.isoformat(), **declared, **given}


def own_backfill(airflow: Airflow, sandbox: Sandbox, hours: list[datetime]) -> None:
    """Expect that Airflow's own backfill reruns each hour with its own interval; then cancel the backfill."""
    _create_backfill(airflow, sandbox, "--from-date", hours[0].isoformat(), "--to-date", hours[-1].isoformat())
    for hour in hours:
        words = airflow.command("feed_hourly", airflow.run_of("feed_hourly", hour, "backfill"))
        wanted = ["run", "--from", hour.strftime(HOUR), "--to", (hour + ONE_HOUR).strftime(HOUR)]
        expect(f"Airflow's own backfill of {hour.strftime(HOUR)}", words[:5], wanted)
    airflow.cancel_backfills("feed_hourly")


def _create_backfill(airflow: Airflow, sandbox: Sandbox, *interval: str) -> None:
    """Create a backfill. SQLite refuses it when another process writes at the same moment: cancel it and try again."""
    words = ("backfill", "create", "--dag-id", "feed_hourly", *interval, "--reprocess-behavior", "completed")
    for _ in range(TRIES):
        try:
            sandbox.airflow(*words)
            return
        except subprocess.CalledProcessError:
            log("the backfill could not be created")
            airflow.cancel_backfills("feed_hourly")
    raise Unexpected(f"{' '.join(words)} failed {TRIES} times")
