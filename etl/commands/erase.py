"""`feed-etl erase`: erase people from the lake and the landing zone on request."""

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
    """The kind of ids in an id file."""

    VIEWERS = "viewers"
    CREATORS = "creators"


@watched
def erase(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why. Stored in the receipt, so do not write the id here.")],
    viewer: Annotated[list[int] | None, typer.Option(help="viewer_id of the person (may be repeated).")] = None,
    user: Annotated[
        list[int] | None, typer.Option(help="user_id of the person in ads; the same id as viewer_id.")
    ] = None,
    creator: Annotated[list[int] | None, typer.Option(help="Id of a creator; also erases handle and captions.")] = None,
    ids: Annotated[Path | None, typer.Option(help="A file with one id per line, all erased together.")] = None,
    ids_of: Annotated[IdKind, typer.Option(help="The kind of ids in the file.")] = IdKind.VIEWERS,
    as_json: Json = False,
) -> None:
    """Erase people from every table, landed file and log, for good. Totals of posts do not change."""
    from etl.operations.erasure import driver

    cli: CliContext = context.obj
    listed = _listed(ids) if ids else []
    viewers = [*(viewer or []), *(user or []), *(listed if ids_of is IdKind.VIEWERS else [])]
    creators = [*(creator or []), *(listed if ids_of is IdKind.CREATORS else [])]
    if not viewers and not creators:
        raise ConfigError("Name at least one person to erase: --viewer ID, --user ID, --creator ID, or --ids FILE.")
    if viewers and creators:
        raise ConfigError("Erase viewers and creators with two commands: each erasure has its own receipt.")
    role = CREATOR if creators else VIEWER
    receipt = driver.erase(cli.spark(), cli.settings, viewers or creators, reason, role)
    if as_json:
        terminal.print_document(receipt)
    else:
        _show(receipt)
    _raise_if_incomplete(receipt)


def _listed(file: Path) -> list[int]:
    """Read the ids of a file. Raises ConfigError with the number of a bad line, but not with its text."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise ConfigError(f"--ids {file} cannot be read: {first_line(error)}.") from None
    found = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    for number, text in found:
        if not text.lstrip("-").isascii() or not text.lstrip("-").isdecimal() or len(text) > len(str(-(2**63))):
            raise ConfigError(f"--ids {file}, line {number}: an id must be a whole number. Write one id per line.")
    if len(found) > MAX_IDS:
        raise ConfigError(f"--ids {file} has {len(found)} ids; give at most {MAX_IDS} at once.")
    return [int(text) for _, text in found]


def _raise_if_incomplete(receipt: dict[str, Any]) -> None:
    """Raise when the erasure is not complete. Files that a running job may still publish are no error: they wait.

    Raises LandingError for files that cannot be read, and LakeError for anything else that is left to do.
    """
    if receipt["unread"]:
        raise LandingError(
            f"{len(receipt['unread'])} files of the landing zone were not searched, because no run reads them or they "
            f"cannot be read: {', '.join(map(repr, receipt['unread'][:MAX_SHOWN]))}. The rest is erased. Repair or "
            "remove these files, then erase again."
        )
    waiting = [found["gone_at"] for found in receipt["tables"].values() if "files_waiting" in found]
    if len(receipt["incomplete"]) > len(waiting):
        raise LakeError(
            f"The erasure is not complete: {'; '.join(receipt['incomplete'][:MAX_SHOWN])}. The rest is erased. Repair "
            "this; the next `feed-etl maintain` finishes the erasure."
        )


def _show(receipt: dict[str, Any]) -> None:
    rows = [{"table": name} | _line(found) for name, found in receipt["tables"].items()]
    terminal.print_rows(rows, False, receipt["id"])
    landed = receipt["landing"].values()
    files, records = (sum(found[what] for found in landed) for what in ("files", "records"))
    batches = len(receipt.get("batches", []))
    terminal.out.print(f"Removed {records} records in {files} landed files and {batches} rejected batches.")
    if waiting := [found["gone_at"] for found in receipt["tables"].values() if "files_waiting" in found]:
        last = max(waiting)
        terminal.out.print(
            f"[yellow]Files that a run may still publish are kept until {last}; then `maintain` removes them.[/]"
        )


def _line(found: dict[str, object]) -> dict[str, object]:
    names = ("rule", "rows", "hours", "version", "files_removed", "gone_at")
    return {name: found.get(name) for name in names}
