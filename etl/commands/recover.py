"""`feed-etl recover`: try the hours again that failed in three runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from etl import terminal
from etl.commands.cli_context import CliContext, Json, errors
from etl.commands.watch import watched

if TYPE_CHECKING:
    from etl.engine.state.recovery_list import FailedHour


@watched
def recover(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the recovery list.")] = False,
    as_json: Json = False,
) -> None:
    """Try the hours of the recovery list again, each alone, and make what reads them.

    An hour of a table is on the list when it failed in three runs and was not made since.
    """
    from etl.commands import run_metrics
    from etl.engine.jobs import runner
    from etl.engine.spark.files import absolute
    from etl.engine.state import recovery_list
    from etl.engine.state.ledger import Ledger
    from etl.lineage.openlineage import recorder

    cli: CliContext = context.obj
    if dry_run:
        found = recovery_list.still_due(Ledger.existing(cli.query_session(), absolute(cli.settings.lake)))
        return _print_recovery_list(recovery_list.flat(found), as_json)
    spark = cli.spark()
    with terminal.progress(errors) as show, recorder.recorded(spark, cli.settings) as follow:
        summary = runner.recover_hours(spark, cli.settings, replace(follow, show=show))
    if summary is None:
        return _print_recovery_list([], as_json)
    terminal.print_summary(summary, as_json)
    run_metrics.measure(spark, cli.settings, summary)
    if summary.errors:
        raise next(iter(summary.errors.values()))


def _print_recovery_list(failed: list[FailedHour], as_json: bool) -> None:
    rows = [
        {
            "table": each.table,
            "hour": f"{each.hour:%Y-%m-%dT%H}",
            "failed runs": len(each.runs),
            "since": each.since,
            "reason": each.reason,
        }
        for each in failed
    ]
    if rows or as_json:
        terminal.print_rows(rows, as_json, "Recovery list")
    else:
        terminal.out.print("The recovery list is empty.")
