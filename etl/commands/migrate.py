"""`feed-etl migrate`: bring the tables of a lake to their contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from etl import terminal
from etl.commands.cli_context import CliContext, Json
from etl.commands.watch import watched
from etl.errors import ContractViolation

if TYPE_CHECKING:
    from etl.engine.jobs.contract_changes import Change


@watched
def migrate(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Apply the safe changes of contracts to the tables of the lake. Refuses the others, each with its way."""
    from etl.operations.migrate import driver

    cli: CliContext = context.obj

    def show(change: Change) -> None:
        if not as_json:
            terminal.print_line(str(change))

    found = driver.migrate(cli.spark(), cli.settings, dry_run, show)
    refused = [change for change in found if not change.is_safe]
    if as_json:
        terminal.print_document([change.as_json() for change in found])
    elif found:
        terminal.out.print(f"{'To do' if dry_run else 'Done'}: {len(found) - len(refused)} changes.")
    else:
        terminal.out.print("Every table is as its contract says.")
    if refused:
        raise ContractViolation(f"{len(refused)} changes are refused, the first one: {refused[0]}")
