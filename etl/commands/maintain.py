"""`feed-etl maintain`: retention, landed files, compaction, vacuum of orphan files, the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from etl import terminal
from etl.commands import sending
from etl.commands.cli_context import HOUR, CliContext, Json, in_utc
from etl.commands.watch import watched
from etl.errors import FeedEtlError


@watched
def maintain(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option(help="Only show what would be done.")] = False,
    now: Annotated[
        datetime | None,
        typer.Option(
            formats=[HOUR], help="Compute deadlines as of this hour, UTC; default: end of the last landed hour."
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Allow removing more than maintenance.max_removed_share of a table.")
    ] = False,
    take_ownership: Annotated[
        bool, typer.Option("--take-ownership", help="Make this lake the owner of the landing zone first.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove data past its retention, and compact closed hours. Prints each action before doing it."""
    from etl.engine.landing import owner
    from etl.operations.maintenance import driver
    from etl.operations.retention import window
    from etl.operations.retention.action import Action

    cli: CliContext = context.obj
    seen: list[Action] = []

    def show(action: Action) -> None:
        seen.append(action)
        if not as_json:
            held = "" if action.do else "held: "
            terminal.print_line(f"{action.step}  {action.place}: {held}{action.what}")

    as_of = in_utc(now, "--now") if now else None
    window.refuse_future(as_of)
    if take_ownership and not dry_run:
        owner.take(cli.spark(), cli.settings)
    try:
        done = driver.maintain(cli.spark(), cli.settings, as_of, dry_run, show, yes)
    except FeedEtlError:
        if not dry_run:
            sending.mail_held(cli, seen, complete=False)
        raise
    if not dry_run:
        sending.mail_held(cli, done)
    if as_json:
        return terminal.print_document([action.as_json() for action in done])
    size = sum(action.size for action in done if action.do)
    held = sum(action.do is None for action in done)
    state = "To do" if dry_run else "Done"
    terminal.out.print(f"{state}: {len(done) - held} actions, {size / 1e6:.1f} MB of files. Held: {held}.")
