"""`feed-etl docs`: documentation of all tables from contracts and transforms, without data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from etl.commands.cli_context import CliContext, errors

Kind = Literal["pages", "odcs"]
FOLDERS: dict[Kind, Path] = {"pages": Path("docs/tables"), "odcs": Path("contracts")}


def docs(
    context: typer.Context,
    format: Annotated[
        Kind, typer.Option(help="pages: Markdown and HTML; odcs: one Open Data Contract Standard document per table.")
    ] = "pages",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the files.", show_default="docs/tables, or contracts for odcs")
    ] = None,
) -> None:
    """Write a Markdown page per table and one HTML page of all tables, or the data contract of each table."""
    cli: CliContext = context.obj
    folder = out or FOLDERS[format]
    if format == "odcs":
        from etl.docs import odcs

        errors.print(f"{len(odcs.write(folder, cli.settings))} data contracts in {folder}.", soft_wrap=True)
    else:
        _write_pages(cli, folder)


def _write_pages(cli: CliContext, folder: Path) -> None:
    from etl.docs import site
    from etl.lineage import stored

    written = site.write(folder, stored.of_all_tables(cli.query_session, cli.settings))
    errors.print(f"{len(written)} pages in {folder}. Open {folder / site.HTML} in a browser.", soft_wrap=True)
