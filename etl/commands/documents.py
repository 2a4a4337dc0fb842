"""`feed-etl docs` and `feed-etl impact`: documentation and lineage from contracts and transforms, without data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table as Grid

from etl import terminal
from etl.commands import completion
from etl.commands.cli_context import CliContext, Json, errors

if TYPE_CHECKING:
    from etl.lineage.flow import Source
    from etl.lineage.impact import Change, QueryUse, Reader


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
    from etl.lineage import tables as lineage_tables

    written = site.write(folder, lineage_tables.of_all_tables(cli.query_session(), cli.settings))
    errors.print(f"{len(written)} pages in {folder}. Open {folder / site.HTML} in a browser.", soft_wrap=True)


def impact(
    context: typer.Context,
    column: Annotated[
        str,
        typer.Argument(
            help="TABLE.COLUMN, landing.EVENT.FIELD, or TABLE for its rows", autocompletion=completion.columns
        ),
    ],
    as_json: Json = False,
) -> None:
    """List the columns, rows, rules and named queries that depend on a column, directly or through a filter or join."""
    from etl.lineage import impact as impacts
    from etl.lineage import tables as lineage_tables

    cli: CliContext = context.obj
    origin = impacts.parse(column)
    found = impacts.changes(
        origin, lineage_tables.edges(lineage_tables.of_all_tables(cli.query_session(), cli.settings))
    )
    readers, queries = impacts.readers(origin), impacts.queries(origin, found)
    if as_json:
        terminal.print_document(_document(origin, found, readers, queries))
        return
    _print(f"What changes with {origin}", ("table", "columns", "how", "from"), _grouped(found))
    rules = [(r.table, r.rule.name, r.rule.severity, r.rule.reason) for r in readers]
    _print("Rules that read it", ("table", "rule", "severity", "reason"), rules)
    affected = [(a.question, ", ".join(map(str, a.columns))) for a in queries]
    _print("Named queries whose answers may change", ("question", "because of"), affected)


def _document(origin: Source, found: list[Change], readers: list[Reader], queries: list[QueryUse]) -> dict[str, Any]:
    changes = [
        {"table": c.target.table, "column": c.target.column, "direct": c.direct, "how": c.how, "via": str(c.via)}
        for c in found
    ]
    rules = [{"table": r.table, "rule": r.rule.name, "severity": r.rule.severity} for r in readers]
    questions = [{"question": a.question, "columns": list(map(str, a.columns))} for a in queries]
    return {"column": str(origin), "changes": changes, "rules": rules, "questions": questions}


def _grouped(found: list[Change]) -> list[tuple[str, ...]]:
    """One line per table and kind of change: value changes first, then columns that are only influenced."""
    lines: dict[tuple[str, str, str], list[str]] = {}
    for change in found:
        how = change.how if change.direct or change.how != "value" else "value of an influenced column"
        column = "(rows)" if change.target.column == "*" else change.target.column
        lines.setdefault((change.target.table, how, str(change.via)), []).append(column)
    return [(table, ", ".join(columns), how, via) for (table, how, via), columns in lines.items()]


def _print(title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    grid = Grid(*heads, title=title, title_justify="left")
    for row in rows:
        grid.add_row(*map(escape, row))
    terminal.out.print(grid if rows else f"{title}: none")
