"""Every command line of `feed-etl` that a DAG runs, in one place, and nothing else: lists of words.

Words may hold Airflow's templates; `data_interval_start` is the hour of an hourly run, however it came about.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from etl.errors import ConfigError

HOUR = "%Y-%m-%dT%H"
LATE_HOURS = 24


def _or_start(instant: str) -> str:
    """An instant of the data interval; of a run started by hand, which may have none, when it was started."""
    return f"({instant} | default(dag_run.run_after, true))"


DAY = f"{{{{ {_or_start('data_interval_start')}.strftime('%Y-%m-%d') }}}}"

QUALITY_REPORT = ["report", "quality", "--day", DAY, "--send"]
DASHBOARD = ["report", "dashboard"]
DATA_DOCS = ["report", "data-docs"]
MAINTAIN = ["maintain"]
FAILURES = ["report", "failures", "--send"]
"""Mails to owners and on-call about every kind of failure: when one begins, daily while it lasts, when it is over."""


def _at(instant: str, hours_before: int = 0) -> str:
    """An expression of Airflow's templates for the hour of an instant, or so many hours before it."""
    return f"({instant} - macros.timedelta(hours={hours_before})).strftime('{HOUR}')"


def hour(table: str, first: datetime, look_back_hours: int = 0) -> list[str]:
    """One table, one landed hour, and as many before it (none before the first), each judged by itself."""
    this, end = _at("data_interval_start"), _at("data_interval_end")
    oldest = f"[{this}, [{_at('data_interval_start', look_back_hours)}, '{first.strftime(HOUR)}'] | max] | min"
    return ["run", "--from", f"{{{{ {oldest} }}}}", "--to", f"{{{{ {end} }}}}", "--table", table, "--hour-by-hour"]


def late(first: datetime, subject: str, look_back_hours: int = LATE_HOURS) -> list[str]:
    """A subject, the hours before the newest that landed but none before the first, each judged by itself."""
    now = _or_start("data_interval_end")
    end = _at(now, 1)
    oldest = f"[{_at(now, 1 + look_back_hours)}, '{first.strftime(HOUR)}'] | max"
    interval = ["--from", f"{{{{ {oldest} }}}}", "--to", f"{{{{ {end} }}}}"]
    return ["run", *interval, "--subject", subject, "--hour-by-hour"]


def backfill_plan(params: dict[str, Any]) -> list[str]:
    """What a backfill would do, or how the one to go on with stands; writes nothing, refuses bad parameters."""
    if params["resume"]:
        return ["backfill", "diff", params["resume"]]
    return ["backfill", "plan", *_interval(params), *_tables(params)]


def backfill_run(params: dict[str, Any]) -> list[str]:
    """A backfill, declared with reason and owner; or what is left of one that was killed or refused."""
    accepted = ["--accept-changes"] if params["accept_changes"] else []
    if params["resume"]:
        return ["backfill", "run", "--resume", params["resume"], *accepted]
    declared = ["--reason", params["reason"], "--owner", params["owner"]]
    agreed = ["--yes"] if params["agreed"] else []
    return ["backfill", "run", *_interval(params), *_tables(params), *declared, *agreed, *accepted]


def _interval(params: dict[str, Any]) -> list[str]:
    return ["--from", _hour(params["from"], "from"), "--to", _hour(params["to"], "to"), "--only", params["only"]]


def _tables(params: dict[str, Any]) -> list[str]:
    """Which tables, and of which ads."""
    named = [("--table", name) for name in params["tables"] or []]
    ads = [("--ad-from", params["ad_from"]), ("--ad-to", params["ad_to"])]
    return [word for option, value in named + ads if value is not None for word in (option, str(value))]


def _hour(instant: str, name: str) -> str:
    """An instant as the form sends it -> an hour in UTC. Raises ConfigError when it is not a whole hour."""
    try:
        moment = datetime.fromisoformat(instant)
    except ValueError as error:
        raise ConfigError(f"{name} must be an instant like 2026-06-01T10:00:00Z, not {instant!r}.") from error
    moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    if moment != moment.replace(minute=0, second=0, microsecond=0):
        raise ConfigError(f"{name} must be a whole hour, UTC, not {instant!r}.")
    return moment.strftime(HOUR)
