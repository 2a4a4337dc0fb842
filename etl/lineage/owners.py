"""The impact of a change by owner: who has to know, and of what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from etl import catalog
from etl.engine.sql import reads
from etl.lineage.flow import ROWS, Source
from etl.lineage.impact import Change, QueryUse, Reader
from etl.queries import named_query, sql_files


@dataclass
class OwnerImpact:
    """What an owner has that reads a column. columns: table -> its columns that would change, `(rows)` for its rows."""

    owner: str
    columns: dict[str, list[str]] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)


def by_owner(
    found: Iterable[Change], readers: Iterable[Reader], queries: Iterable[QueryUse], pages: Iterable[QueryUse]
) -> list[OwnerImpact]:
    """The impact of a change for each owner, by name. A query belongs to the owner of the first table that it reads."""
    owners: dict[str, OwnerImpact] = {}

    def of(table: str) -> OwnerImpact:
        owner = catalog.entry(table).table.owner
        return owners.setdefault(owner, OwnerImpact(owner))

    for change in found:
        of(change.target.table).columns.setdefault(change.target.table, []).append(column_name(change.target))
    for reader in readers:
        of(reader.table).rules.append(f"{reader.table}: {reader.rule.name}")
    for use in queries:
        of(named_query.load(use.question).inputs[0]).queries.append(use.question)
    for use in pages:
        of(_first_table(use.question)).pages.append(use.question)
    return sorted(owners.values(), key=lambda one: one.owner)


def _first_table(page: str) -> str:
    """The first table, in the order data flows, that a query of a dashboard reads."""
    read = reads.tables(sql_files.find("dashboard")[page].read_text(encoding="utf-8"))
    return next(name for name in catalog.entries() if name in read)


def column_name(source: Source) -> str:
    """The name of a column for people; `(rows)` for the rows of a table."""
    return "(rows)" if source.column == ROWS else source.column
