"""`feed-etl impact --since`: what a change since another revision reaches, and whether it breaks readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from etl import catalog, terminal
from etl.commands.cli_context import CliContext
from etl.errors import BreakingChange

if TYPE_CHECKING:
    from etl.lineage.revisions.comparison import Difference, Reach


def run(cli: CliContext, revision: str, as_json: bool) -> None:
    """Compare the checkout with a revision. Raises BreakingChange when a difference breaks its readers."""
    from etl.lineage.revisions import checkout, comparison, description

    old = checkout.describe(revision)
    new = description.describe(cli.query_session(), cli.settings)
    found = comparison.differences(old, new)
    reached = comparison.reach(old, new, found)
    if as_json:
        terminal.print_document(_since_document(revision, found, reached))
    else:
        _print_since(found, reached)
    text = _summary(revision, found, reached)
    if any(difference.is_breaking for difference in found):
        raise BreakingChange(f"{text} See docs/lineage.md before you merge it.")
    if not as_json:
        terminal.out.print(escape(text), soft_wrap=True)


def _summary(revision: str, found: list[Difference], reached: Reach) -> str:
    breaking = sum(difference.is_breaking for difference in found)
    if not found:
        return f"No table has changed since {revision}."
    verb = "breaks" if breaking else "changes values of"
    return (
        f"The change since {revision} {verb} {reached.size} tables, queries and tiles ({len(reached.tables)} tables, "
        f"{len(reached.queries)} named queries, {len(reached.pages)} queries of dashboards); {breaking} of "
        f"{len(found)} differences are breaking."
    )


def _print_since(found: list[Difference], reached: Reach) -> None:
    rows = [(str(one.what), one.text, "breaks readers" if one.is_breaking else "") for one in found]
    terminal.print_grid("What differs", ("table or column", "difference", ""), rows)
    tables = [(_owner(table), table, ", ".join(columns)) for table, columns in reached.tables.items()]
    terminal.print_grid("Tables that it reaches", ("owner", "table", "columns"), sorted(tables))
    queries = [("named query", name) for name in reached.queries] + [("dashboard", name) for name in reached.pages]
    terminal.print_grid("Queries that it reaches", ("kind", "name"), queries)


def _owner(table: str) -> str:
    known = catalog.entries().get(table)
    return known.table.owner if known else "-"


def _since_document(revision: str, found: list[Difference], reached: Reach) -> dict[str, Any]:
    differences = [
        {"table": d.what.table, "column": d.what.column, "difference": d.text, "breaking": d.is_breaking} for d in found
    ]
    reads = {"tables": reached.tables, "questions": reached.queries, "pages": reached.pages}
    return {"since": revision, "differences": differences, **reads}
