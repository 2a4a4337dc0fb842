"""The content of a table's page, collected from its contract, its suite and its lineage for a template."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from etl import catalog
from etl.catalog import Entry
from etl.engine.quality import suites
from etl.engine.quality.rule import Rule
from etl.lineage.flow import ROWS, Lineage, Source, Uses
from etl.lineage.tables import VALUE, Edge
from etl.model.contract import Table

Named = tuple[str, list[str]]
"""A table and some of its columns. An empty list means its rows."""


@dataclass(frozen=True)
class Influence:
    """Columns with the same influences: pairs of a kind (filter, join, …) and the sources. No columns: the rows."""

    columns: list[str]
    by: list[tuple[str, list[Named]]]


@dataclass(frozen=True)
class Page:
    """The content of one table's page."""

    table: Table
    headline: str
    rest: str
    made_from: dict[str, list[Named]]
    influences: list[Influence]
    used_in: dict[str, dict[str, list[Named]]]
    checks: list[tuple[Rule, str, str]]
    inputs: list[tuple[str, str]]
    consumers: list[str]
    referenced_by: list[str]


def page(entry: Entry, lineage: Lineage | None, steps: list[Edge]) -> Page:
    """The page of one table. `steps` are the dependencies between all tables."""
    table = entry.table
    headline, _, rest = entry.doc.partition("\n")
    table_lineage = lineage or Lineage({})
    return Page(
        table,
        headline,
        rest.strip(),
        {name: named(flow.value) for name, flow in table_lineage.columns.items()},
        _influences(table_lineage),
        _used_in(table, steps),
        [(rule, _condition(rule), "suite" if rule in suites.written(table.name) else "contract")
         for rule in suites.all_rules(table)],
        [*((i.table.name, _window(i)) for i in table.inputs), *_previous_day(table)],
        [t.name for t in catalog.tables() if table in [i.table for i in t.inputs]],
        [t.name for t in catalog.tables() if table in [r.to for r in t.references]],
    )  # fmt: skip


def named(sources: frozenset[Source] | list[Source]) -> list[Named]:
    """Sources grouped by table, inputs first."""
    order = list(catalog.entries())
    known = sorted(sources, key=lambda s: (order.index(s.table) if s.table in order else -1, s))
    return [
        (table, [s.column for s in found if s.column != ROWS]) for table, found in groupby(known, lambda s: s.table)
    ]


def _by_how(uses: Uses) -> list[tuple[str, list[Named]]]:
    hows = sorted({how for how, _ in uses})
    return [(how, named([s for h, s in uses if h == how])) for how in hows]


def _influences(table_lineage: Lineage) -> list[Influence]:
    """Columns with equal influences together, then the rows."""
    alike: dict[Uses, list[str]] = {}
    for name, flow in table_lineage.columns.items():
        if flow.through:
            alike.setdefault(flow.through, []).append(name)
    lines = [Influence(columns, _by_how(uses)) for uses, columns in alike.items()]
    return [*lines, Influence([], _by_how(table_lineage.rows))] if table_lineage.rows else lines


def _used_in(table: Table, steps: list[Edge]) -> dict[str, dict[str, list[Named]]]:
    """For each column, the columns of the next tables that use it in their `value`, and tables it `decides` in."""
    used: dict[str, dict[str, list[Named]]] = {}
    for column in table.column_names:
        own_edges = [edge for edge in steps if edge.source == Source(table.name, column)]
        values = {edge.to for edge in own_edges if edge.how == VALUE}
        others = {edge.to for edge in own_edges} - values
        if own_edges:
            used[column] = {"value": named(list(values)), "decides": _tables(others)}
    return used


def _tables(targets: set[Source]) -> list[Named]:
    """Only the tables: a filter or a join influences nearly every column of a table."""
    return [(table, []) for table, _ in named(list(targets))]


def _previous_day(table: Table) -> list[tuple[str, str]]:
    """The line of a chain among its inputs."""
    if table.chain is None:
        return []
    return [(table.name, f"the day before; a change reaches at most {table.chain.reach_days} later days")]


def _window(source: Any) -> str:
    if source.as_of:
        return "as of the instant"
    around = [
        f"{hours} h {side}" for hours, side in ((source.behind_hours, "before"), (source.ahead_hours, "after")) if hours
    ]
    by = f"by `{source.by}`" if source.by else "what landed"
    return ", ".join([by, *around])


def _condition(rule: Rule) -> str:
    """The condition of a rule: its query, or its limits."""
    if query := rule.kwargs.get("unexpected_rows_query"):
        return f"no row of `{query}`"
    bounds = {k: v for k, v in rule.kwargs.items() if k != "column"}
    return ", ".join(f"{k} {', '.join(map(str, v)) if isinstance(v, list) else v}" for k, v in bounds.items())
