"""What all commands share: settings and session, parsing of hours and intervals, the console for messages."""

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
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@dataclass
class CliContext:
    """The settings from the global options. A command starts the Spark session when it needs one."""

    settings: conf.Settings

    def spark(self) -> SparkSession:
        """The session of a command that makes tables."""
        from etl.engine.people import keys
        from etl.engine.spark import session

        keys.use_demo_key(self.settings.lake)
        return session.start(self.settings)

    def query_session(self) -> SparkSession:
        """A session for a command that only reads, builds no table and ends soon."""
        from etl.engine.people import keys
        from etl.engine.spark import session

        keys.use_demo_key(self.settings.lake)
        return session.start(session.with_options(self.settings, session.SHORT_LIVED))


def parse_hour(text: str, option: str) -> datetime:
    """Parse an hour like `2026-06-01T10` (UTC). Raises ConfigError when the text has another format."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H").replace(tzinfo=UTC)
    except ValueError as error:
        raise ConfigError(f"{option} must be an hour like 2026-06-01T10, not {text!r}.") from error


def parse_interval(start: str, end: str) -> tuple[datetime, datetime]:
    """Parse a half-open interval of hours. Raises ConfigError when the interval is empty or reversed."""
    interval = parse_hour(start, "--from"), parse_hour(end, "--to")
    if interval[0] >= interval[1]:
        raise ConfigError(f"--from {start} must be before --to {end}; --to is not part of the interval.")
    return interval
