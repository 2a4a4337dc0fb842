"""The `feed-etl` command line: registers every command and its global options, and turns errors into exit codes."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer
from rich.logging import RichHandler

from etl import conf
from etl.commands import (
    backfill,
    check,
    documents,
    erase,
    lake,
    maintain,
    queries,
    running,
    scaffolding,
    sources,
    status,
)
from etl.commands.cli_context import CliContext, errors
from etl.commands.report import report
from etl.errors import FeedEtlError
from etl.utc import use_utc

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Build audited facts, dimensions, rollups and marts from landed event files.\n\n"
    "To start:  feed-etl demo  ·  feed-etl tables  ·  feed-etl sql 'SELECT * FROM mart_post_engagement_daily'",
)


@app.callback()
def global_options(
    context: typer.Context,
    conf_name: Annotated[str, typer.Option("--conf", help="Configuration: conf/NAME.yaml")] = "local",
    lake_uri: Annotated[str | None, typer.Option("--lake", help="URI of the lake [env: FEED_ETL_LAKE]")] = None,
    landing: Annotated[str | None, typer.Option(help="URI of the landing zone [env: FEED_ETL_LANDING]")] = None,
    master: Annotated[str | None, typer.Option(help="Spark master [env: FEED_ETL_MASTER]")] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and debug logs.")] = False,
) -> None:
    """Load the configuration, and set up logging, time zone and umask, before any command runs."""
    use_utc()
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(level, errors, show_path=False)]
    )
    logging.getLogger("feed_etl").setLevel(level)
    context.obj = CliContext(conf.load(conf_name, lake=lake_uri, landing=landing, master=master))
    conf.set_umask(context.obj.settings)


for command in (
    running.run,
    running.demo,
    sources.simulate,
    lake.tables,
    lake.describe,
    lake.sql,
    lake.ledger,
    status.status,
    maintain.maintain,
    check.check,
    erase.erase,
    queries.query,
    queries.queries,
    documents.docs,
    documents.impact,
    scaffolding.new_table,
):
    app.command()(command)
app.add_typer(backfill.backfill, name="backfill")
app.add_typer(sources.imports, name="import")
app.add_typer(report, name="report")


def main() -> None:
    """Run the command line. A FeedEtlError prints one line and sets the exit code; `--debug` adds the traceback."""
    try:
        app(standalone_mode=True)
    except FeedEtlError as error:
        if "--debug" in sys.argv:
            raise
        errors.print(f"[bold red]{type(error).__name__}[/]: ", end="")
        errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(error.exit_code) from None
