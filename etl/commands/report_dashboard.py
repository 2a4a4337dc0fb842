"""HTML pages: the dashboard of a lake, and the share tree of a post."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from etl.commands.cli_context import CliContext, OptionalFrom, OptionalTo, errors, interval
from etl.commands.report_cost import costed
from etl.commands.watch import watched
from etl.errors import ConfigError


@watched
@costed
def dashboard(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Where to write the page.")] = Path("dashboard.html"),
    start: OptionalFrom = None,
    end: OptionalTo = None,
) -> None:
    """Write a page about the health of the lake: ranker, ingest, safety, ads, gates. Default: the last seven days."""
    if (start is None) != (end is None):
        raise ConfigError("Give both --from and --to, or neither for the last seven days.")
    hours = interval(start, end) if start and end else None
    from etl.reports import dashboard as report

    cli: CliContext = context.obj
    written = report.write(cli.query_session(), cli.settings, out, hours)
    errors.print(f"Open {written.resolve().as_uri()}", soft_wrap=True)


@costed
def virality(
    context: typer.Context,
    post: Annotated[int, typer.Option(help="The post, by its id.")],
    out: Annotated[Path, typer.Option(help="Where to write the page.")],
) -> None:
    """Write a page on how a post spread: share tree, shares per hour, depth, breadth, reshare factor."""
    from etl.subjects.feed.dashboard import virality as report

    cli: CliContext = context.obj
    written = report.write(cli.query_session(), cli.settings, post, out)
    errors.print(f"Open {written.resolve().as_uri()}", soft_wrap=True)
