"""What the demos do and look at: an hour, an hour that three gates refuse, the mails, what is filled into a form."""

from __future__ import annotations

import gzip
import json
import re
import shutil
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
ON_CALL = "on-call@localhost"


def say(text: str) -> None:
    """One line of what is seen, with the time."""
    print(f"{datetime.now(UTC):%H:%M:%S}  {text}", flush=True)


def expect(what: str, found: object, wanted: object) -> None:
    """Raises Unexpected when it is not so."""
    if found != wanted:
        raise Unexpected(f"{what}: expected {wanted}, found {found}")
    say(f"ok   {what}")


def expect_hour(airflow: Airflow, hour: datetime, dag: str = "feed_hourly") -> None:
    """A scheduled run of a DAG for an hour comes and ends green."""
    run = airflow.run_of(dag, hour)
    expect(f"{dag}, hour {hour.strftime(HOUR)}", airflow.finished(dag, run), "success")


def hold_back(place: Sandbox, event: str, hour: datetime) -> Callable[[], object]:
    """Take one landed file of an hour away; what is returned lets it land."""
    file = min(place.landed(event, hour).iterdir())
    held = shutil.move(file, place.folder)
    return lambda: shutil.move(held, file)


def plain_run(place: Sandbox, start: datetime, end: datetime, *words: str) -> None:
    """What one run without Airflow makes of the same landing zone, in `plain`."""
    plain = str(place.folder / "plain")
    place.feed_etl("--lake", plain, "run", "--from", start.strftime(HOUR), "--to", end.strftime(HOUR), *words)
    say(f"the same landing zone in one plain run: {plain}")


def break_gates(place: Sandbox, hour: datetime) -> list[Path]:
    """Three landed files of an hour, each refused by the gate of another owner's table; a rule of shares blocks now."""
    rule = place.rules / "expectations" / "fct_shares.yaml"
    rule.write_text(rule.read_text().replace("severity: warning", "severity: critical"))
    now = to_us(hour) + 1_800_000_000
    seen = {"viewer_id": NOBODY, "impression_ts": iso(now), "impression_id": snowflake(now // 1000, 7)}
    seen |= {"post_id": 1, "feed_position": 1, "surface": "feed", "predicted_score": 0.5, "ranker_model_id": NOBODY}
    shared = {"share_id": NOBODY, "original_post_id": 1, "shared_post_id": 1, "viewer_id": NOBODY, "share_ts": iso(now)}
    return [
        place.land("engagements", hour, "cut-short.jsonl.gz", gzip.compress(b'{"engagement_id": 1}\n' * 1000)[:-20]),
        place.land("impressions", hour, "unknown-model.jsonl", _line(seen)),
        place.land("shares", hour, "of-itself.jsonl", _line(shared)),
    ]


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def failing_gates(airflow: Airflow, place: Sandbox, hour: datetime, broken: list[Path]) -> None:
    """An hour with three broken files: three red tables, three mails; emptied and cleared it is green.

    Emptied, not removed: an hour that has no file any more keeps what was read of it.
    """
    run = airflow.run_of("feed_hourly", hour)
    expect(f"hour {hour.strftime(HOUR)} with broken files failed", airflow.finished("feed_hourly", run), "failed")
    tasks = airflow.tasks("feed_hourly", run)
    red = {name: task["try_number"] for name, task in tasks.items() if task["state"] == "failed"}
    expect("only tables whose gate failed are red, tried once", red, dict.fromkeys(RED, 1))
    stopped = {name for name, task in tasks.items() if task["state"] == "upstream_failed"}
    expect("what depends on them did not run", stopped >= STOPPED, True)
    _expect_mails(place)
    for file in broken:
        file.write_bytes(gzip.compress(b"") if file.suffix == ".gz" else b"")
    airflow.clear("feed_hourly", run, [f"bronze_{file.parent.parent.name}" for file in broken])
    expect("repaired and cleared, it is green", airflow.finished("feed_hourly", run), "success")


def _expect_mails(place: Sandbox) -> None:
    owners = [mail for mail in place.mails() if mail["X-RcptTo"] != ON_CALL]
    told = {str(mail["X-RcptTo"]): mail for mail in owners}
    expect("three owners got a mail each", (sorted(told), len(owners)), (_addresses(), len(RED)))
    expect("on-call got mail, too", len(owners) < len(place.mails()), True)
    for table, owner in RED.items():
        mail = told[f"{owner}@localhost"]
        body = mail.get_body(("plain",))
        words = set(re.findall(r"\w+", body.get_content() if body else ""))
        named = {step.owner for step in steps() if step.name in words}
        expect(f"{owner}: {mail['Subject']}", table in str(mail["Subject"]) and named <= {owner}, True)


def _addresses() -> list[str]:
    return sorted(f"{owner}@localhost" for owner in RED.values())


def form(start: datetime, end: datetime, **given: Any) -> dict[str, Any]:
    """What somebody fills in for `feed_backfill`."""
    declared = {"reason": "a show", "owner": "content", "dry_run": False}
    return {"from": start.isoformat(), "to": end.isoformat(), **declared, **given}


def own_backfill(airflow: Airflow, place: Sandbox, hours: list[datetime]) -> None:
    """Airflow's own backfill of hours that ran before: each run is about its hour. That seen, it is ended."""
    interval = ("--from-date", hours[0].isoformat(), "--to-date", hours[-1].isoformat())
    place.airflow("backfill", "create", "--dag-id", "feed_hourly", *interval, "--reprocess-behavior", "completed")
    for hour in hours:
        words = airflow.command("feed_hourly", airflow.run_of("feed_hourly", hour, "backfill"))
        wanted = ["run", "--from", hour.strftime(HOUR), "--to", (hour + ONE_HOUR).strftime(HOUR)]
        expect(f"Airflow's own backfill of {hour.strftime(HOUR)}", words[:5], wanted)
    airflow.cancel_backfills("feed_hourly")
