"""`feed-etl`: one command for everything an on-call engineer or an analyst does with the lake."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from etl import catalog, conf, terminal
from etl.errors import ConfigError, FeedEtlError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Landed event files to gated facts, dimensions, rollups and marts.\n\n"
    "A first look:  feed-etl demo  ·  feed-etl tables  ·  feed-etl sql 'SELECT * FROM mart_post_engagement_daily'",
)
imports = typer.Typer(no_args_is_help=True, help="Make landing files from public logs.")
app.add_typer(imports, name="import")
errors = Console(stderr=True)

Hour = Annotated[str, typer.Option(help="An hour, UTC: 2026-06-01T10")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@dataclass
class Place:
    """What the global options say; the session starts when a command needs it."""

    settings: conf.Settings
    debug: bool

    def spark(self) -> SparkSession:
        from etl.engine import session

        return session.start(self.settings)


@app.callback()
def place(
    context: typer.Context,
    conf_name: Annotated[str, typer.Option("--conf", help="Configuration: conf/NAME.yaml")] = "local",
    lake: Annotated[str | None, typer.Option(help="URI of the lake [env: FEED_ETL_LAKE]")] = None,
    landing: Annotated[str | None, typer.Option(help="URI of the landing zone [env: FEED_ETL_LANDING]")] = None,
    master: Annotated[str | None, typer.Option(help="Spark master [env: FEED_ETL_MASTER]")] = None,
    debug: Annotated[bool, typer.Option(help="Tracebacks and more logs.")] = False,
) -> None:
    """Options that hold for every command."""
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(level, errors, show_path=False)]
    )
    logging.getLogger("feed_etl").setLevel(level)
    context.obj = Place(conf.load(conf_name, lake=lake, landing=landing, master=master), debug)


def parse_hour(text: str, option: str) -> datetime:
    """`2026-06-01T10` -> that instant. Raises ConfigError that shows the form."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H").replace(tzinfo=UTC)
    except ValueError as error:
        raise ConfigError(f"{option} must be an hour like 2026-06-01T10, not {text!r}.") from error


def parse_range(start: str, end: str) -> tuple[datetime, datetime]:
    """A half-open range of hours. Raises ConfigError when it is empty or reversed."""
    span = parse_hour(start, "--from"), parse_hour(end, "--to")
    if span[0] >= span[1]:
        raise ConfigError(f"--from {start} must be before --to {end}; --to is not part of the range.")
    return span


@app.command()
def run(
    context: typer.Context,
    start: Annotated[str, typer.Option("--from", help="First landed hour, UTC: 2026-06-01T10")],
    end: Annotated[str, typer.Option("--to", help="End of the range, not in it: 2026-06-01T13")],
    table: Annotated[list[str] | None, typer.Option(help="Only this table (may be repeated).")] = None,
    as_json: Json = False,
) -> None:
    """Bring the tables up to date with the files landed in a range of hours. Safe to run again, always."""
    from etl.engine import runner

    here: Place = context.obj
    span = parse_range(start, end)
    catalog.select(table)
    with terminal.progress(errors) as show:
        summary = runner.run(here.spark(), here.settings, *span, tables=table, progress=show)
    terminal.print_summary(summary, as_json)
    if summary.errors:
        raise next(iter(summary.errors.values()))


@app.command()
def simulate(
    context: typer.Context,
    start: Annotated[str, typer.Option("--from", help="First hour, UTC: 2026-06-01T10")],
    end: Annotated[str, typer.Option("--to", help="End of the range, not in it: 2026-06-01T13")],
    impressions_per_hour: Annotated[int, typer.Option(min=1, help="Impressions served per hour.")] = 20000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
) -> None:
    """Write a made-up feed to the landing zone, and beside it (_truth) what the marts must say."""
    from etl.sources.simulate import simulate as write

    span = parse_range(start, end)
    out = local_landing(context.obj.settings)
    with errors.status(f"simulating {impressions_per_hour} impressions an hour into {out}"):
        write(out, *span, impressions_per_hour, seed)
    errors.print(f"Landed in {out}. Next: feed-etl run --from {start} --to {end}", soft_wrap=True)


def local_landing(settings: conf.Settings) -> Path:
    """The landing zone as a local folder. Raises ConfigError when it is elsewhere."""
    from etl.engine.files import absolute

    uri = absolute(settings.landing)
    if not uri.startswith("file:"):
        raise ConfigError(f"This writes local files only; {uri} is not local. Write to a folder and copy it there.")
    return Path(uri.removeprefix("file:").replace("///", "/"))


@imports.command("open-bandit")
def open_bandit(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="The obp source distribution, or its folder.")],
) -> None:
    """The Open Bandit log: 60,000 real impressions by two policies, clicks as likes."""
    from etl.sources.open_bandit import import_open_bandit

    summary = import_open_bandit(source, local_landing(context.obj.settings))
    errors.print(str(summary))


@app.command()
def demo(
    context: typer.Context,
    impressions_per_hour: Annotated[int, typer.Option(min=1, help="Size of the made-up feed.")] = 5000,
) -> None:
    """Three made-up hours and a real public log, from landing to marts, with a summary of each."""
    from etl import showcase

    here: Place = context.obj
    showcase.run(here.spark(), here.settings, impressions_per_hour, errors)


@app.command()
def tables(context: typer.Context, as_json: Json = False) -> None:
    """All tables, in the order data flows."""
    from etl.engine import views

    here: Place = context.obj
    spark = here.spark()
    rows = [
        {
            "name": t.name,
            "layer": t.layer.name.lower(),
            "uri": views.uri(here.settings, t),
            "key": list(t.key),
            "partition": list(t.partition),
            "owner": t.owner,
            "rows": views.table_rows(spark, here.settings, t),
        }
        for t in catalog.tables()
    ]
    terminal.print_rows(rows, as_json, title="Tables", hide=("uri",))


@app.command()
def describe(table: str, as_json: Json = False) -> None:
    """What a row of a table is: its columns, rules, owner, inputs."""
    from etl.engine import suites

    entry = catalog.entry(table)
    terminal.print_contract(entry, suites.suite(entry.table), as_json)


@app.command()
def sql(
    context: typer.Context,
    query: str,
    format: Annotated[str, typer.Option(help="table, csv or json")] = "table",
) -> None:
    """Ask the lake; every table is a view by its name, and so is the ledger."""
    from pyspark.errors import PySparkException

    from etl.engine import views

    if format not in terminal.FORMATS:
        raise ConfigError(f"--format must be one of {', '.join(terminal.FORMATS)}, not {format!r}.")
    here: Place = context.obj
    try:
        frame = views.query(here.spark(), here.settings, query)
        terminal.print_frame(frame.columns, [row.asDict() for row in frame.collect()], format)
    except PySparkException as error:
        raise ConfigError(f"The query is not valid: {str(error).splitlines()[0]}") from error


@app.command()
def ledger(context: typer.Context, as_json: Json = False) -> None:
    """What every run did to every table, oldest first."""
    from dataclasses import asdict

    from etl.engine.runner import open_work

    here: Place = context.obj
    rows = [asdict(entry) for entry in open_work(here.spark(), here.settings).ledger.entries]
    if as_json:
        terminal.print_rows(rows, True, title="Ledger")
    else:
        terminal.print_ledger(rows)


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
