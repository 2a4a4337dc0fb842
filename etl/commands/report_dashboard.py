"""Pages for people: the dashboard of a lake, the share tree of a post."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from etl.commands.cli_context import CliContext, errors, parse_interval
from etl.commands.watch import watched
from etl.errors import ConfigError


@watched
def dashboard(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Where to write the page.")] = Path("dashboard.html"),
    start: Annotated[str | None, typer.Option("--from", help="First hour, UTC: 2026-06-01T10")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End of the range, not in it: 2026-06-01T13")] = None,
) -> None:
    """One page on the health of the lake: ranker, ingest, safety, ads, gates. Without a range, its last seven days."""
    if (start is None) != (end is None):
        raise ConfigError("--from and --to go together. Leave both out for the last seven days.")
    interval = parse_interval(start, end) if start and end else None
    from etl.reports import dashboard as report

    cli: CliContext = context.obj
    written = report.write(cli.query_session(), cli.settings, out, interval)
    errors.print(f"Open {written.resolve().as_uri()}", soft_wrap=True)


def virality(
    context: typer.Context,
    post: Annotated[int, typer.Option(help="The post, by its id.")],
    out: Annotated[Path, typer.Option(help="Where to write the page.")],
) -> None:
    """One page on how a post spread: its share tree, shares per hour, depth, breadth, reshare factor."""
    from etl.reports import virality as report

    cli: CliContext = context.obj
    written = report.write(cli.query_session(), cli.settings, post, out)
    errors.print(f"Open {written.resolve().as_uri()}", soft_wrap=True)
