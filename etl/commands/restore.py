"""`feed-etl restore`: take the lake, or some tables, back to one consistent point."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from etl import terminal
from etl.commands.cli_context import HOUR, CliContext, Json, in_utc
from etl.commands.watch import watched
from etl.errors import ConfigError

if TYPE_CHECKING:
    from etl.operations.restore.plan import Plan, Point

SECOND = "%Y-%m-%dT%H:%M:%S"


@watched
def restore(
    context: typer.Context,
    to_time: Annotated[
        datetime | None,
        typer.Option(formats=[SECOND, "%Y-%m-%dT%H:%M", HOUR], help="The point, UTC: 2026-06-01T10:30:00"),
    ] = None,
    to_version: Annotated[
        str | None, typer.Option(help="The point at which this version of a table was published: fct_shares=12")
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(help="Only this table (may be repeated) and the tables made from it; default: all."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only show what would be restored.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Restore. Also finishes a restore that was killed.")] = False,
    as_json: Json = False,
) -> None:
    """Take tables and ledger back to one consistent point; without a point, to the newest one that a copy allows."""
    from etl.operations.restore import driver

    cli: CliContext = context.obj
    point = _point(to_time, to_version, table or [])
    if begun := driver.unfinished(cli.spark(), cli.settings):
        return _finish(cli, begun, point, dry_run or not yes)
    planned = driver.plan(cli.spark(), cli.settings, point)
    _show(planned, as_json)
    if dry_run:
        return
    if not yes:
        raise ConfigError("Nothing was changed. Stop what writes the lake, then run this command again with --yes.")
    driver.restore(cli.spark(), cli.settings, planned, terminal.print_line)


def _point(to_time: datetime | None, to_version: str | None, tables: list[str]) -> Point:
    """The point that the options name. Raises ConfigError when they contradict each other or are malformed."""
    from etl.operations.restore.plan import Point

    if to_time and to_version:
        raise ConfigError("Give --to-time or --to-version, not both.")
    if to_time:
        in_utc(to_time, "--to-time")
        return Point(time=to_time.replace(tzinfo=UTC), tables=tuple(tables))
    if not to_version:
        return Point(tables=tuple(tables))
    name, _, version = to_version.partition("=")
    if not version.isascii() or not version.isdecimal():
        raise ConfigError(f"--to-version must be TABLE=VERSION, like fct_shares=12, not {to_version!r}.")
    return Point(version=(name, int(version)), tables=tuple(tables))


def _finish(cli: CliContext, begun: str, point: Point, only_shown: bool) -> None:
    """Finish a restore that was killed. Raises ConfigError unless --yes, without another point, asks for it."""
    from etl.operations.restore import driver
    from etl.operations.restore.plan import Point

    if only_shown or point != Point():
        raise ConfigError(f"{begun} was not finished. Run `feed-etl restore --yes`, without a point, to finish it.")
    driver.finish(cli.spark(), cli.settings, terminal.print_line)


def _show(planned: Plan, as_json: bool) -> None:
    rows = planned.as_rows()
    terminal.print_rows(rows, as_json, title=planned.id)
