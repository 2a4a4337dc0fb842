"""`feed-etl register`: the names of the tables in Spark's catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from etl import terminal
from etl.commands.cli_context import CliContext, Json, errors
from etl.commands.watch import watched

if TYPE_CHECKING:
    from etl.operations.registration.tables import Registered


@watched
def register(context: typer.Context, as_json: Json = False) -> None:
    """Register every table as CATALOG.SCHEMA.TABLE in Spark's catalog, so that other programs find it by its name."""
    from etl.operations.registration import metastore, opened

    cli: CliContext = context.obj
    found = opened.register(cli.settings)
    terminal.print_rows(_rows(found), as_json, title="Names in Spark's catalog")
    if metastore.is_local(cli.settings):
        file = metastore.folder(cli.settings) / metastore.PROPERTIES
        errors.print(f"To read the tables by name: pyspark --properties-file {file}", soft_wrap=True)


def _rows(found: Registered) -> list[dict[str, Any]]:
    done = {"created": found.created, "moved": found.moved, "removed": found.removed, "unchanged": found.unchanged}
    rows = [{"name": name, "registered": how, "tagged": name in found.tagged} for how in done for name in done[how]]
    return sorted(rows, key=lambda row: str(row["name"]))
