"""`feed-etl impact`: what depends on a column, in all or by owner. `--since` is in `impact_since.py`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from etl import terminal
from etl.commands import completion, impact_since
from etl.commands.cli_context import CliContext, Json, errors
from etl.errors import ConfigError

if TYPE_CHECKING:
    from etl.lineage.flow import Source
    from etl.lineage.impact import Change, QueryUse, Reader
    from etl.lineage.owners import OwnerImpact


def impact(
    context: typer.Context,
    column: Annotated[
        str | None,
        typer.Argument(
            help="TABLE.COLUMN, landing.EVENT.FIELD, or TABLE for its rows", autocompletion=completion.columns
        ),
    ] = None,
    owners: Annotated[bool, typer.Option(help="One summary for each owner of something that depends on it.")] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="REV", help="Instead of a column: everything that changed since a git revision."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Also draw the tables that depend on the column.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the columns, rows, rules and queries that depend on a column, directly or through a filter or join."""
    if (column is None) == (since is None):
        raise ConfigError("Give either a column, such as fct_impressions.post_id, or --since REV.")
    if since and (owners or picture):
        raise ConfigError("--owners and --picture are for a column. --since lists the owners already.")
    cli: CliContext = context.obj
    if since:
        impact_since.run(cli, since, as_json)
    else:
        assert column
        _of_column(cli, column, owners, picture, as_json)


def _of_column(cli: CliContext, column: str, owners: bool, picture: Path | None, as_json: bool) -> None:
    from etl.lineage import impact as impacts
    from etl.lineage import stored
    from etl.lineage.owners import by_owner
    from etl.lineage.tables import edges

    origin = impacts.parse(column)
    found = impacts.changes(origin, edges(stored.of_all_tables(cli.query_session, cli.settings)))
    readers, queries, pages = impacts.readers(origin), impacts.queries(origin, found), impacts.pages(origin, found)
    if picture:
        _draw(picture, origin, found)
    if owners:
        _print_owners(origin, by_owner(found, readers, queries, pages), cli.settings.owners, as_json)
    elif as_json:
        terminal.print_document(_document(origin, found, readers, queries, pages))
    else:
        _print_impact(origin, found, readers, queries, pages)


def _draw(file: Path, origin: Source, found: list[Change]) -> None:
    """Write the picture of all tables with those marked that depend on a column."""
    from etl.docs import site

    marks = {origin.table: "origin"}
    for change in found:
        kind = "value" if change.direct else "influence"
        marks[change.target.table] = kind if marks.get(change.target.table) != "value" else "value"
    marks[origin.table] = "origin"
    caption = f"What depends on {origin}: its value (bold), or only a filter, join, group or order (dashed)"
    try:
        file.write_text(site.svg(marks, caption), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}. Give another file to --picture.") from error
    errors.print(f"The picture is in {file}.", soft_wrap=True)


def _print_impact(
    origin: Source, found: list[Change], readers: list[Reader], queries: list[QueryUse], pages: list[QueryUse]
) -> None:
    terminal.print_grid(f"What changes with {origin}", ("table", "columns", "how", "from"), _grouped(found))
    rules = [(r.table, r.rule.name, r.rule.severity, r.rule.reason) for r in readers]
    terminal.print_grid("Rules that read it", ("table", "rule", "severity", "reason"), rules)
    heads = ("question", "because of")
    terminal.print_grid("Named queries whose answers may change", heads, _uses(queries))
    terminal.print_grid("Queries of dashboards whose tiles and figures may change", heads, _uses(pages))


def _uses(uses: list[QueryUse]) -> list[tuple[str, str]]:
    return [(use.question, ", ".join(map(str, use.columns))) for use in uses]


def _document(
    origin: Source, found: list[Change], readers: list[Reader], queries: list[QueryUse], pages: list[QueryUse]
) -> dict[str, Any]:
    changes = [
        {"table": c.target.table, "column": c.target.column, "direct": c.direct, "how": c.how, "via": str(c.via)}
        for c in found
    ]
    rules = [{"table": r.table, "rule": r.rule.name, "severity": r.rule.severity} for r in readers]
    questions, tiles = (
        [{"question": use.question, "columns": list(map(str, use.columns))} for use in uses]
        for uses in (queries, pages)
    )
    return {"column": str(origin), "changes": changes, "rules": rules, "questions": questions, "pages": tiles}


def _grouped(found: list[Change]) -> list[tuple[str, ...]]:
    """One line per table and kind of change: value changes first, then columns that are only influenced."""
    from etl.lineage.owners import column_name

    lines: dict[tuple[str, str, str], list[str]] = {}
    for change in found:
        how = change.how if change.direct or change.how != "value" else "value of an influenced column"
        key = (change.target.table, how, str(change.via))
        lines.setdefault(key, []).append(column_name(change.target))
    return [(table, ", ".join(columns), how, via) for (table, how, via), columns in lines.items()]


def _print_owners(origin: Source, found: list[OwnerImpact], addresses: dict[str, list[str]], as_json: bool) -> None:
    """Print a summary for each owner, which can be sent as it is."""
    if as_json:
        owners = [
            {"owner": one.owner, "mail": addresses.get(one.owner, []), "tables": one.columns, "rules": one.rules}
            | {"questions": one.queries, "pages": one.pages}
            for one in found
        ]
        terminal.print_document({"column": str(origin), "owners": owners})
        return
    for one in found:
        mail = ", ".join(addresses.get(one.owner, [])) or "no address in conf/"
        rows = [(table, ", ".join(columns)) for table, columns in one.columns.items()]
        title = f"{one.owner} ({mail}): what changes with {origin}"
        others = [("rules", one.rules), ("named queries", one.queries), ("queries of dashboards", one.pages)]
        rows += [(kind, ", ".join(names)) for kind, names in others if names]
        terminal.print_grid(title, ("table", "columns"), rows)
    if not found:
        terminal.out.print(f"Nothing depends on {escape(str(origin))}.")
