"""Impact of a change of a column: downstream columns and tables, rules that read it, and named queries."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from etl import catalog
from etl.engine.quality import suites
from etl.engine.quality.rule import Rule
from etl.engine.sql import reads
from etl.errors import no_such
from etl.lineage.flow import ROWS, Source
from etl.lineage.tables import VALUE, Edge, landed, landed_columns
from etl.queries import named_query, sql_files


@dataclass(frozen=True)
class Change:
    """A column (or the rows) of a table that would change. `via` is the previous step on the path.

    `how` is the kind of the last step: `value`, filter, join, group, order, window, explode or rows. `direct` is true
    when every step of the path is `value`.
    """

    target: Source
    how: str
    direct: bool
    via: Source


@dataclass(frozen=True)
class Reader:
    """A rule of a table that reads the column. Its result may change and fail the audit."""

    table: str
    rule: Rule


@dataclass(frozen=True)
class QueryUse:
    """A named query, or a query of a dashboard, whose SQL names columns that would change: its result may change."""

    question: str
    columns: tuple[Source, ...]


def parse(text: str) -> Source:
    """Parse `fct_impressions.post_id`, `landing.shares.channel`, or a table name for its rows.

    Raises ConfigError with the known tables or columns when there is no such table or column.
    """
    known = {landed(event): [c.name for c in landed_columns(event)] for event in catalog.landing_events()}
    known |= {table.name: list(table.column_names) for table in catalog.tables()}
    if text in known:
        return Source(text, ROWS)
    table, _, column = text.rpartition(".")
    if table not in known:
        raise no_such("table", table or text, known, "Write TABLE.COLUMN with one of:")
    if column not in known[table]:
        raise no_such(f"{table} column", column, known[table], "Columns:")
    return Source(table, column)


def changes(origin: Source, steps: Iterable[Edge]) -> list[Change]:
    """Everything that would change with `origin`, nearest first: first by value only, then through influences."""
    after: dict[Source, list[Edge]] = {}
    for edge in steps:
        after.setdefault(edge.source, []).append(edge)
    found: dict[Source, Change] = {}
    _follow([origin], after, found, direct=True)
    _follow([origin, *found], after, found, direct=False)
    return [change for target, change in found.items() if target != origin]


def _follow(start: list[Source], after: dict[Source, list[Edge]], found: dict[Source, Change], direct: bool) -> None:
    queue = deque(start)
    while queue:
        source = queue.popleft()
        for edge in after.get(source, []):
            if edge.to not in found and (edge.how == VALUE or not direct):
                found[edge.to] = Change(edge.to, edge.how, direct, source)
                queue.append(edge.to)


def readers(origin: Source) -> list[Reader]:
    """Rules that name the column: rules of its own table, and of tables that refer to it."""
    return [
        Reader(table.name, rule)
        for table in catalog.tables()
        for rule in suites.all_rules(table)
        if _reads(rule, table.name, origin)
    ]


def queries(origin: Source, found: Iterable[Change]) -> list[QueryUse]:
    """Named queries that read the column, or a column that would change with it."""
    changed = sorted({origin, *(change.target for change in found)}, key=str)
    query = {name: _named(named_query.load(name), changed) for name in named_query.names()}
    return [QueryUse(name, columns) for name, columns in query.items() if columns]


def pages(origin: Source, found: Iterable[Change]) -> list[QueryUse]:
    """Queries of dashboards, behind their tiles and figures, that read the column or one that would change with it."""
    changed = sorted({origin, *(change.target for change in found)}, key=str)
    texts = {name: file.read_text(encoding="utf-8") for name, file in sql_files.find("dashboard").items()}
    used = {name: _read(reads.tables(text), reads.columns(text), changed) for name, text in texts.items()}
    return [QueryUse(name, columns) for name, columns in used.items() if columns]


def _named(query: named_query.NamedQuery, changed: list[Source]) -> tuple[Source, ...]:
    return _read(set(query.inputs), reads.columns(query.sql), changed)


def _read(rows: set[str], columns: set[tuple[str, str]], changed: list[Source]) -> tuple[Source, ...]:
    """The changed columns, and changed rows of tables, that a query reads."""
    return tuple(s for s in changed if (s.table in rows if s.column == ROWS else (s.table, s.column) in columns))


def _reads(rule: Rule, table: str, origin: Source) -> bool:
    if not rule.query:
        named = {value for key, value in rule.kwargs.items() if key.startswith("column")}
        return table == origin.table and origin.column in named
    is_named = origin.column in rule.query  # most rules do not name the column at all, and parsing takes time
    return is_named and (origin.table, origin.column) in reads.columns(rule.query.format(batch=table))
