"""The tables and columns that SQL of this repository reads: named queries, queries of pages, rules of suites.

sqlglot parses the text, so an alias, a comment or a value that is spelled like a column does not count. SQL that users
write is judged by Spark's own parser instead: see `read_only.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema

from etl import catalog
from etl.errors import ContractViolation, first_line

DIALECT = "spark"


def tables(text: str) -> set[str]:
    """Names of the tables that a query reads, without the names that its WITH clauses define."""
    return {
        source.name
        for scope in traverse_scope(_parsed(text))
        for source in scope.sources.values()
        if isinstance(source, exp.Table)
    }


def columns(text: str) -> set[tuple[str, str]]:
    """(table, column) of every column of a table of the catalog on which the result of a query depends."""
    with _faults_of(text):
        tree = qualify(_parsed(text), dialect=DIALECT, schema=_schema(), quote_identifiers=False)
    found = set()
    for scope in traverse_scope(pushdown_projections(tree)):  # without columns that only a `*` of a WITH clause names
        for column in scope.columns:
            source = scope.sources.get(column.table)
            if isinstance(source, exp.Table):
                found.add((source.name, column.name))
    return found


def _parsed(text: str) -> exp.Expr:
    with _faults_of(text):
        return parse_one(text, read=DIALECT)


@contextmanager
def _faults_of(text: str) -> Iterator[None]:
    try:
        yield
    except SqlglotError as error:
        start = " ".join(text.split())[:80]
        raise ContractViolation(f"This SQL cannot be analyzed: {start!r}. {first_line(error)}") from error


@cache
def _schema() -> MappingSchema:
    """The columns of every table, with their types."""
    types: dict[str, object] = {
        table.name: {column.name: column.type for column in table.columns} for table in catalog.tables()
    }
    return MappingSchema(types, dialect=DIALECT)
