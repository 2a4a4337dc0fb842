"""`feed-etl run` and `feed-etl demo`: bring the lake up to date, or show that with simulated data."""

from __future__ import annotations

from typing import Annotated

import typer

from etl import catalog, terminal
from etl.commands import completion
from etl.commands.cli_context import CliContext, From, Json, To, errors, interval
from etl.commands.outcomes import Outcomes
from etl.commands.watch import watched
from etl.engine.state import shards
from etl.errors import ConfigError


@watched
def run(
    context: typer.Context,
    start: From,
    end: To,
    table: Annotated[
        list[str] | None,
        typer.Option(help="Only this table (may be repeated).", autocompletion=completion.tables),
    ] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(
            help="A subject such as feed or ads; default: subjects with landed files.",
            autocompletion=completion.subjects,
        ),
    ] = None,
    hour_by_hour: Annotated[
        bool, typer.Option(help="Audit and publish each hour alone: a bad hour does not hold back other hours.")
    ] = False,
    migrate: Annotated[
        bool, typer.Option("--migrate", help="First apply the safe changes of contracts, like `feed-etl migrate`.")
    ] = False,
    shard: Annotated[
        str | None, typer.Option(help="Only facts of one shard of users: 1/4 to 4/4, one run each.")
    ] = None,
    outcomes: Annotated[
        str | None,
        typer.Option(
            metavar="PREFIX",
            help="For a scheduler: print `PREFIX {...}` when a table ends. Failed tables do not fail the command.",
        ),
    ] = None,
    only_critical: Annotated[
        bool, typer.Option("--only-critical", help="Leave out marts and reports, except what other tables read.")
    ] = False,
    skip_failed: Annotated[
        bool,
        typer.Option(
            "--skip-failed", help="For a scheduler: leave hours that failed in three runs to `feed-etl recover`."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring tables up to date with the files landed in an interval of hours. Safe to repeat at any time.

    When many hours wait, billing comes first, then attribution, rollups, marts and reports.
    """
    from etl.commands import run_metrics
    from etl.engine.jobs import runner
    from etl.engine.jobs.progress import Progress
    from etl.engine.state.planner import hours_between
    from etl.lineage.openlineage import recorder
    from etl.operations.registration import opened

    cli: CliContext = context.obj
    hours, chosen = interval(start, end), _tables(table, subject)
    choice = runner.Choice(chosen, shards.parse(shard) if shard else None, only_critical, skip_failed, migrate)
    printer = Outcomes(outcomes, len(hours_between(*hours)) if hour_by_hour else 1)
    spark = cli.spark()
    with terminal.progress(errors) as show, recorder.recorded(spark, cli.settings) as follow:
        progress = Progress(show, printer.passed, follow.started, follow.ended)
        if hour_by_hour:
            summary = runner.run_hours(spark, cli.settings, *hours, choice, progress)
        else:
            summary = runner.run_chosen(spark, cli.settings, hours, choice, progress)
    terminal.print_summary(summary, as_json)
    printer.finish(summary)
    run_metrics.measure(spark, cli.settings, summary)
    if cli.settings.catalog.after_run:
        opened.register_after_run(cli.settings)
    if summary.errors and not outcomes:
        raise next(iter(summary.errors.values()))


def _tables(named: list[str] | None, subject: list[str] | None) -> list[str] | None:
    """Tables to run. None means: all tables of subjects with landed files.

    Raises ConfigError for an unknown table or subject, or when both options are given.
    """
    if named and subject:
        raise ConfigError("--table and --subject both choose tables. Give only one of them.")
    catalog.select(named)
    return catalog.of_subjects(subject) if subject else named


def demo(
    context: typer.Context,
    impressions_per_hour: Annotated[int, typer.Option(min=1, help="Size of the simulated feed.")] = 5000,
) -> None:
    """Run three simulated hours and a real public log from landing to marts, and summarize each run."""
    from etl.commands import demo as showcase

    cli = CliContext(showcase.for_small_hours(context.obj.settings))
    showcase.run(cli.spark(), cli.settings, impressions_per_hour, errors)
