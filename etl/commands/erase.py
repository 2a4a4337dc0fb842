"""Erase a viewer on request."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from etl import terminal
from etl.commands.place import Json, Place
from etl.commands.watch import watched
from etl.errors import LandingError

FEW = 10


@watched
def erase(
    context: typer.Context,
    viewer: Annotated[int, typer.Option(help="The viewer's id.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the receipt, so without the id.")],
    as_json: Json = False,
) -> None:
    """Take a viewer out of every table, landed file and log. Totals of posts stay; the viewer never comes back."""
    from etl.erasure import driver

    here: Place = context.obj
    receipt = driver.erase(here.spark(), here.settings, viewer, reason)
    if as_json:
        terminal.print_document(receipt)
    else:
        _show(receipt)
    if receipt["unread"]:
        raise LandingError(
            f"{len(receipt['unread'])} files of the landing zone are read by no run or cannot be read, so nobody can "
            f"say whom they name: {', '.join(map(repr, receipt['unread'][:FEW]))}. All else is done. Repair or remove "
            "them, then erase again."
        )


def _show(receipt: dict[str, Any]) -> None:
    rows = [{"table": name} | _line(found) for name, found in receipt["tables"].items()]
    terminal.print_rows(rows, False, receipt["id"])
    landed = receipt["landing"].values()
    files, records = (sum(found[what] for found in landed) for what in ("files", "records"))
    terminal.out.print(f"{records} records in {files} landed files, {len(receipt['batches'])} refused batches removed.")
    if waiting := [found["gone_at"] for found in receipt["tables"].values() if "files_waiting" in found]:
        last = max(waiting)
        terminal.out.print(f"[yellow]Files a run may be about to publish wait until {last}: erase once more then.[/]")


def _line(found: dict[str, object]) -> dict[str, object]:
    names = ("rule", "rows", "hours", "version", "files_removed", "gone_at")
    return {name: found.get(name) for name in names}
