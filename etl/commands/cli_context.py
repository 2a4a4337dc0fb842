"""What all commands share: settings and session, options for hours and intervals, the console for messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from etl import conf
from etl.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

errors = Console(stderr=True)
HOUR = "%Y-%m-%dT%H"
CONF_ERROR = "conf_error"
"""Key in the `meta` of typer's context: the error of a configuration that `doctor` then reports."""
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
_FROM = typer.Option("--from", formats=[HOUR], help="First hour, UTC: 2026-06-01T10")
_TO = typer.Option("--to", formats=[HOUR], help="End of the interval (exclusive), UTC: 2026-06-01T13")
From = Annotated[datetime, _FROM]
To = Annotated[datetime, _TO]
TEAM = "FEED_ETL_TEAM"
AsTeam = Annotated[
    str | None, typer.Option("--as", envvar=TEAM, metavar="TEAM", help="The team that asks, for its costs.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Allow a question that needs much of what the team has left.")]
OptionalFrom = Annotated[datetime | None, _FROM]
OptionalTo = Annotated[datetime | None, _TO]


@dataclass
class CliContext:
    """The settings from the global options. A command starts the Spark session when it needs one."""

    settings: conf.Settings

    def spark(self) -> SparkSession:
        """The session of a command that makes tables."""
        from etl.engine.people import keys
        from etl.engine.spark import session
        from etl.telemetry import otel

        otel.start()
        keys.use_demo_key(self.settings.lake)
        return session.start(self.settings)

    def query_session(self) -> SparkSession:
        """A session for a command that only reads, builds no table and ends soon."""
        from etl.engine.people import keys

        keys.use_demo_key(self.settings.lake)
        return self.file_session()

    def file_session(self) -> SparkSession:
        """A session for a command that reads files and no lake, and ends soon."""
        from etl.engine.spark import session

        return session.start(session.with_options(self.settings, session.SHORT_LIVED))


def in_utc(given: datetime, option: str) -> datetime:
    """An hour or day that an option gives, in UTC. Raises ConfigError when no lake can hold it."""
    if not conf.FIRST_DAY <= given.date() <= conf.LAST_DAY:
        raise ConfigError(f"{option} must be from {conf.FIRST_DAY} to {conf.LAST_DAY}, not {given:%Y-%m-%d}.")
    return given.replace(tzinfo=UTC)


def interval(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The half-open interval of two hours in UTC. Raises ConfigError when it is empty, reversed or of another age."""
    if start >= end:
        raise ConfigError(f"--from {start:{HOUR}} must be before --to {end:{HOUR}}; --to is not part of the interval.")
    return in_utc(start, "--from"), in_utc(end, "--to")
