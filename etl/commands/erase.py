"""Erase people on request."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from etl import terminal
from etl.commands.cli_context import CliContext, Json
from etl.commands.watch import watched
from etl.errors import ConfigError, LakeError, LandingError, first_line
from etl.model.privacy import CREATOR, VIEWER

MAX_SHOWN = 10
MAX_IDS = 1_000_000


class IdKind(Enum):
    """Whose ids a file holds."""

    VIEWERS = "viewers"
    CREATORS = "creators"


@watched
def erase(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why; kept with the receipt, so without the id.")],
    viewer: Annotated[list[int] | None, typer.Option(help="Id of the person, as a viewer (may be repeated).")] = None,
    user: Annotated[list[int] | None, typer.Option(help="The same, as a user of ads: one person, one id.")] = None,
    creator: Annotated[list[int] | None, typer.Option(help="Id of a creator, with handle and captions.")] = None,
    ids: Annotated[Path | None, typer.Option(help="A file of ids, one a line, all erased at once.")] = None,
    ids_of: Annotated[IdKind, typer.Option(help="Whose ids the file holds.")] = IdKind.VIEWERS,
    as_json: Json = False,
) -> None:
    """Take people out of every table, landed file and log. Totals of posts stay; they never come back."""
    from etl.operations.erasure import driver

    cli: CliContext = context.obj
    listed = _listed(ids) if ids else []
    viewers = [*(viewer or []), *(user or []), *(listed if ids_of is IdKind.VIEWERS else [])]
    creators = [*(creator or []), *(listed if ids_of is IdKind.CREATORS else [])]
    if not viewers and not creators:
        raise ConfigError("Say whom to erase: --viewer ID, --user ID, --creator ID, or --ids FILE.")
    if viewers and creators:
        raise ConfigError("Viewers and creators are erased by two commands: each has a receipt of its own.")
    role = CREATOR if creators else VIEWER
    receipt = driver.erase(cli.spark(), cli.settings, viewers or creators, reason, role)
    if as_json:
        terminal.print_document(receipt)
    else:
        _show(receipt)
    _raise_if_incomplete(receipt)


def _listed(file: Path) -> list[int]:
    """Ids of a file. Raises ConfigError that names the line, without what is on it."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise ConfigError(f"--ids {file} cannot be read: {first_line(error)}.") from None
    found = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    for number, text in found:
        if not text.lstrip("-").isascii() or not text.lstrip("-").isdecimal() or len(text) > len(str(-(2**63))):
            raise ConfigError(f"--ids {file}, line {number}: an id is a whole number, one a line.")
    if len(found) > MAX_IDS:
        raise ConfigError(f"--ids {file} has {len(found)} ids; give at most {MAX_IDS} at once.")
    return [int(text) for _, text in found]


def _raise_if_incomplete(receipt: dict[str, Any]) -> None:
    """Raises an error when anything could not be looked at. Files that a run may publish only wait."""
    if receipt["unread"]:
        raise LandingError(
            f"{len(receipt['unread'])} files of the landing zone are read by no run or cannot be read, so nobody can "
            f"say whom they name: {', '.join(map(repr, receipt['unread'][:MAX_SHOWN]))}. All else is done. Repair or remove "
            "them, then erase again."
        )
    waiting = [found["gone_at"] for found in receipt["tables"].values() if "files_waiting" in found]
    if len(receipt["incomplete"]) > len(waiting):
        raise LakeError(
            f"The erasure is not complete: {'; '.join(receipt['incomplete'][:MAX_SHOWN])}. All else is done. Mend that; the "
            "next `feed-etl maintain` finishes the erasure."
        )


def _show(receipt: dict[str, Any]) -> None:
    rows = [{"table": name} | _line(found) for name, found in receipt["tables"].items()]
    terminal.print_rows(rows, False, receipt["id"])
    landed = receipt["landing"].values()
    files, records = (sum(found[what] for found in landed) for what in ("files", "records"))
    batches = len(receipt.get("batches", []))
    terminal.out.print(f"{records} records in {files} landed files, {batches} refused batches removed.")
    if waiting := [found["gone_at"] for found in receipt["tables"].values() if "files_waiting" in found]:
        last = max(waiting)
        terminal.out.print(
            f"[yellow]Files a run may be about to publish wait until {last}: `maintain` removes them.[/]"
        )


def _line(found: dict[str, object]) -> dict[str, object]:
    names = ("rule", "rows", "hours", "version", "files_removed", "gone_at")
    return {name: found.get(name) for name in names}
