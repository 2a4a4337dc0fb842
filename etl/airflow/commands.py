"""Every `feed-etl` command line that a DAG runs, as a list of words.

Words may contain Airflow templates. `data_interval_start` is the hour of every hourly run: scheduled, manual or
backfill.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from etl.errors import ConfigError

HOUR = "%Y-%m-%dT%H"
LATE_HOURS = 24


def _or_start(instant: str) -> str:
    """A template for an instant of the data interval. A manual run may have none, and then uses its start time."""
    return f"({instant} | default(dag_run.run_after, true))"


DAY = f"{{{{ {_or_start('data_interval_start')}.strftime('%Y-%m-%d') }}}}"

QUALITY_REPORT = ["report", "quality", "--day", DAY, "--send"]
DASHBOARD = ["report", "dashboard"]
DATA_DOCS = ["report", "data-docs"]
MAINTAIN = ["maintain"]
SCHEDULED = ["--hour-by-hour", "--migrate", "--skip-failed"]
"""Options of every scheduled `run`."""
RECOVER = ["recover"]
"""Try the hours of the recovery list again, which the other runs leave out."""
FAILURES = ["report", "failures", "--send"]
"""Mails about every kind of failure to owners and on-call: when one begins, daily while it lasts, when it ends."""


def _at(instant: str, hours_before: int = 0) -> str:
    """An Airflow template expression for the hour of an instant, minus `hours_before` hours."""
    return f"({instant} - macros.timedelta(hours={hours_before})).strftime('{HOUR}')"


def hour(chosen: list[str], first: datetime, look_back_hours: int = 0) -> list[str]:
    """Run tables for the landed hour of the run and `look_back_hours` hours before it, but not before `first`.

    chosen: `--table NAME` or `--subject NAME`. Each hour is audited and published by itself. Hours that always fail are
    left out, but the hour of the run is tried in any case. Before the first table, the run applies the safe changes of
    contracts.
    """
    this, end = _at("data_interval_start"), _at("data_interval_end")
    oldest = f"[{this}, [{_at('data_interval_start', look_back_hours)}, '{first.strftime(HOUR)}'] | max] | min"
    return ["run", "--from", f"{{{{ {oldest} }}}}", "--to", f"{{{{ {end} }}}}", *chosen, *SCHEDULED]


def late(first: datetime, subject: str, look_back_hours: int = LATE_HOURS) -> list[str]:
    """Run a subject for `look_back_hours` hours before the last landed hour, but not before `first`.

    Each hour is audited and published by itself. Hours that always fail are left to the DAG `recovery`.
    """
    now = _or_start("data_interval_end")
    end = _at(now, 1)
    oldest = f"[{_at(now, 1 + look_back_hours)}, '{first.strftime(HOUR)}'] | max"
    interval = ["--from", f"{{{{ {oldest} }}}}", "--to", f"{{{{ {end} }}}}"]
    return ["run", *interval, "--subject", subject, *SCHEDULED]


def backfill_plan(params: dict[str, Any]) -> list[str]:
    """Show the plan of a new backfill, or the differences of the one to resume. Writes nothing.

    Raises ConfigError when a parameter is not valid.
    """
    if params["resume"]:
        return ["backfill", "diff", params["resume"]]
    return ["backfill", "plan", *_interval(params), *_tables(params)]


def backfill_run(params: dict[str, Any]) -> list[str]:
    """Run a new backfill with its reason and owner, or resume one. Raises ConfigError for a bad parameter."""
    accepted = ["--accept-changes"] if params["accept_changes"] else []
    if params["resume"]:
        return ["backfill", "run", "--resume", params["resume"], *accepted]
    declared = ["--reason", params["reason"], "--owner", params["owner"]]
    agreed = ["--yes"] if params["agreed"] else []
    return ["backfill", "run", *_interval(params), *_tables(params), *declared, *agreed, *accepted]


def _interval(params: dict[str, Any]) -> list[str]:
    return ["--from", _hour(params["from"], "from"), "--to", _hour(params["to"], "to"), "--only", params["only"]]


def _tables(params: dict[str, Any]) -> list[str]:
    """Options for the tables and the range of ad ids."""
    named = [("--table", name) for name in params["tables"] or []]
    ads = [("--ad-from", params["ad_from"]), ("--ad-to", params["ad_to"])]
    return [word for option, value in named + ads if value is not None for word in (option, str(value))]


def _hour(instant: str, name: str) -> str:
    """Convert an ISO instant from the form to an hour in UTC. Raises ConfigError when it is not a whole hour."""
    try:
        moment = datetime.fromisoformat(instant)
    except ValueError as error:
        raise ConfigError(f"{name} must be an instant like 2026-06-01T10:00:00Z, not {instant!r}.") from error
    moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    if moment != moment.replace(minute=0, second=0, microsecond=0):
        raise ConfigError(f"{name} must be a whole hour, UTC, not {instant!r}.")
    return moment.strftime(HOUR)
