"""`feed-etl`: one command for everything an on-call engineer or an analyst does with the lake."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer
from rich.logging import RichHandler

from etl import conf
from etl.commands import backfill, check, documents, erase, lake, maintain, queries, running, scaffolding, sources
from etl.commands.cli_context import CliContext, errors
from etl.commands.report import report
from etl.errors import FeedEtlError
from etl.utc import use_utc

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Landed event files to gated facts, dimensions, rollups and marts.\n\n"
    "A first look:  feed-etl demo  ·  feed-etl tables  ·  feed-etl sql 'SELECT * FROM mart_post_engagement_daily'",
)


@app.callback()
def global_options(
    context: typer.Context,
    conf_name: Annotated[str, typer.Option("--conf", help="Configuration: conf/NAME.yaml")] = "local",
    lake_uri: Annotated[str | None, typer.Option("--lake", help="URI of the lake [env: FEED_ETL_LAKE]")] = None,
    landing: Annotated[str | None, typer.Option(help="URI of the landing zone [env: FEED_ETL_LANDING]")] = None,
    master: Annotated[str | None, typer.Option(help="Spark master [env: FEED_ETL_MASTER]")] = None,
    debug: Annotated[bool, typer.Option(help="Tracebacks and more logs.")] = False,
) -> None:
    """Options that hold for every command."""
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
    """Entry point: an error of ours is one line and its own exit code; `--debug` shows where it came from."""
    try:
        app(standalone_mode=True)
    except FeedEtlError as error:
        if "--debug" in sys.argv:
            raise
        errors.print(f"[bold red]{type(error).__name__}[/]: ", end="")
        errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(error.exit_code) from None
