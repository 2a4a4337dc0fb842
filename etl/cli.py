"""The `feed-etl` command line: registers every command and its global options, and turns errors into exit codes."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from typing import Annotated, Literal, TextIO

import typer
from rich.logging import RichHandler

from etl import conf
from etl.commands import (
    backfill,
    check,
    doctor,
    documents,
    erase,
    impact,
    lake,
    maintain,
    migrate,
    producers,
    queries,
    recover,
    register,
    restore,
    running,
    scaffolding,
    sources,
    status,
)
from etl.commands.cli_context import CONF_ERROR, CliContext, errors
from etl.commands.dq import dq
from etl.commands.report import report
from etl.errors import ConfigError, FeedEtlError
from etl.telemetry import json_lines, otel
from etl.utc import use_utc

log = logging.getLogger("feed_etl")
LogFormat = Literal["text", "json"]
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Build audited facts, dimensions, rollups and marts from landed event files.\n\n"
    "To start:  feed-etl demo  ·  feed-etl tables  ·  feed-etl sql 'SELECT * FROM mart_post_engagement_daily'\n\n"
    "Exit codes: 0 done · 2 setting · 3 landing zone · 4 gate · 5 contract · 6 conflict · 7 lake · 8 mail · "
    "9 something to do · 10 breaking change; see docs/runbook.md.",
)


@app.callback()
def global_options(
    context: typer.Context,
    conf_name: Annotated[str, typer.Option("--conf", help="Configuration: conf/NAME.yaml")] = "local",
    lake_uri: Annotated[str | None, typer.Option("--lake", help="URI of the lake [env: FEED_ETL_LAKE]")] = None,
    landing: Annotated[str | None, typer.Option(help="URI of the landing zone [env: FEED_ETL_LANDING]")] = None,
    master: Annotated[str | None, typer.Option(help="Spark master [env: FEED_ETL_MASTER]")] = None,
    log_format: Annotated[
        LogFormat | None, typer.Option(help="Lines of standard error: text, or a JSON object each.")
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and debug logs.")] = False,
) -> None:
    """Load the configuration, and set up logging, time zone and umask, before any command runs."""
    use_utc()
    try:
        settings = conf.load(conf_name, lake=lake_uri, landing=landing, master=master, log_format=log_format)
    except ConfigError as error:
        if context.invoked_subcommand != "doctor":
            raise
        context.meta[CONF_ERROR] = error
        return
    until_the_end = context.obj.enter_context if context.obj else context.with_resource  # `main` gives the former
    logs = until_the_end(json_lines.standard_error()) if settings.log_format == "json" else None
    _set_up_logging(logging.DEBUG if debug else logging.WARNING, logs)
    context.obj = CliContext(settings)
    conf.set_umask(settings)


def _set_up_logging(level: int, as_json: TextIO | None) -> None:
    """Log to standard error: as text, or as JSON to the stream that is given."""
    handler: logging.Handler = RichHandler(level, errors, show_path=False)
    handler.setFormatter(logging.Formatter("%(message)s"))
    if as_json:
        handler = logging.StreamHandler(as_json)
        handler.setLevel(level)
        handler.setFormatter(json_lines.JsonFormatter())
        logging.captureWarnings(True)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    log.setLevel(level)


for command in (
    running.run,
    recover.recover,
    running.demo,
    sources.simulate,
    lake.tables,
    lake.describe,
    producers.schema,
    producers.validate,
    lake.sql,
    lake.ledger,
    status.status,
    doctor.doctor,
    maintain.maintain,
    migrate.migrate,
    check.check,
    restore.restore,
    erase.erase,
    queries.query,
    queries.queries,
    documents.docs,
    impact.impact,
    register.register,
    scaffolding.new_table,
):
    app.command()(command)
app.add_typer(backfill.backfill, name="backfill")
app.add_typer(sources.imports, name="import")
app.add_typer(report, name="report")
app.add_typer(dq, name="dq")


def main() -> None:
    """Run the command line. A FeedEtlError prints one line and sets the exit code; `--debug` adds the traceback."""
    with ExitStack() as at_end:
        try:
            app(standalone_mode=True, obj=at_end)
        except FeedEtlError as error:
            if "--debug" in sys.argv and not json_lines.is_on():
                raise
            _report(error)
            raise SystemExit(error.exit_code) from None
        except Exception as error:
            if not json_lines.is_on():
                raise
            log.critical("%s: %s", type(error).__name__, error, exc_info=error)
            raise SystemExit(1) from None
        finally:
            otel.end()  # while its warnings still have a stream


def _report(error: FeedEtlError) -> None:
    """Write an error as one line of text or as one JSON object; as JSON, `--debug` adds the traceback."""
    if json_lines.is_on():
        log.error("%s: %s", type(error).__name__, error, exc_info=error if "--debug" in sys.argv else None)
        return
    errors.print(f"[bold red]{type(error).__name__}[/]: ", end="")
    errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
