"""What commands share: where they work, how an hour and a range are written, where messages go."""

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
    """What the global options say; the session starts when a command needs it."""

    settings: conf.Settings

    def spark(self) -> SparkSession:
        from etl.engine.people import keys
        from etl.engine.spark import session

        keys.use_demo_key(self.settings.lake)
        return session.start(self.settings)

    def query_session(self) -> SparkSession:
        """The session of a command that asks and ends, and makes no table."""
        from etl.engine.people import keys
        from etl.engine.spark import session

        keys.use_demo_key(self.settings.lake)
        return session.start(session.with_options(self.settings, session.SHORT_LIVED))


def parse_hour(text: str, option: str) -> datetime:
    """`2026-06-01T10` -> that instant. Raises ConfigError that shows the form."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H").replace(tzinfo=UTC)
    except ValueError as error:
        raise ConfigError(f"{option} must be an hour like 2026-06-01T10, not {text!r}.") from error


def parse_interval(start: str, end: str) -> tuple[datetime, datetime]:
    """A half-open range of hours. Raises ConfigError when it is empty or reversed."""
    interval = parse_hour(start, "--from"), parse_hour(end, "--to")
    if interval[0] >= interval[1]:
        raise ConfigError(f"--from {start} must be before --to {end}; --to is not part of the range.")
    return interval
