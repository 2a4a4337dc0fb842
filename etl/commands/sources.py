"""`feed-etl simulate` and `feed-etl import`: programs that write landing files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from etl import catalog
from etl.commands import completion
from etl.commands.cli_context import HOUR, CliContext, From, To, errors, interval
from etl.errors import ConfigError

imports = typer.Typer(no_args_is_help=True, help="Write landing files from public logs.")


def simulate(
    context: typer.Context,
    start: From,
    end: To,
    impressions_per_hour: Annotated[int, typer.Option(min=1, help="Impressions served per hour.")] = 20000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
    subject: Annotated[
        str,
        typer.Option(
            help="A folder of etl/subjects that has a simulator: feed, ads.", autocompletion=completion.subjects
        ),
    ] = "feed",
) -> None:
    """Write simulated events of a subject to the landing zone, and the expected mart values to _truth."""
    from etl.engine.spark.files import local_folder

    hours = interval(start, end)
    catalog.of_subjects([subject])
    simulator = catalog.plugin(subject, "simulate")
    if simulator is None:
        raise ConfigError(f"{subject} has no simulator. Add a package `simulate` to etl/subjects/{subject}.")
    out = local_folder(context.obj.settings.landing)
    with errors.status(f"simulating {impressions_per_hour} impressions an hour into {out}"):
        simulator.simulate(out, *hours, impressions_per_hour, seed)
    errors.print(f"Landed in {out}. Next: feed-etl run --from {start:{HOUR}} --to {end:{HOUR}}", soft_wrap=True)


@imports.command("open-bandit")
def open_bandit(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="Source distribution of obp (.tar.gz), or its folder.")],
) -> None:
    """Import the Open Bandit log: 60,000 real impressions by two policies; clicks become likes."""
    from etl.engine.spark.files import local_folder
    from etl.sources.open_bandit import import_open_bandit

    summary = import_open_bandit(source, local_folder(context.obj.settings.landing))
    errors.print(str(summary))


@imports.command("log")
def log(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A file or folder: .csv, .jsonl (also .gz), .parquet, .avro.")],
    mapping: Annotated[
        Path, typer.Option(help="Folder with EVENT.sql: a SELECT of the event's records from the view `log`.")
    ],
) -> None:
    """Import a log of another system: SQL files say which of its rows are records of which event."""
    from etl.producers import import_log

    cli: CliContext = context.obj
    done = import_log.land(cli.file_session(), cli.settings, source, mapping)
    counts = ", ".join(f"{count} {event}" for event, count in done.records.items())
    next_step = f"feed-etl run --from {done.start:{HOUR}} --to {done.end:{HOUR}}"
    errors.print(f"Landed {counts} in {cli.settings.landing}. Next: {next_step}", soft_wrap=True)
