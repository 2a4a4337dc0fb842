"""The differences between two descriptions, and what reads the tables and columns that differ.

A *breaking* difference makes a reader fail or mean something else without notice: a table or column is gone, has
another type that is not a wider one, or rows have another key or partition. Every other difference changes values only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from etl.lineage.flow import ROWS, Source
from etl.lineage.impact import changes
from etl.lineage.tables import Edge

Description = dict[str, Any]
WIDER = {"TINYINT": 1, "SMALLINT": 2, "INT": 3, "BIGINT": 4}
DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


@dataclass(frozen=True)
class Difference:
    """A table, column or rows that differ. text: how, for people."""

    what: Source
    text: str
    is_breaking: bool = False


@dataclass(frozen=True)
class Reach:
    """What reads something that differs: columns by table, named queries, and queries of dashboards."""

    tables: dict[str, list[str]]
    queries: list[str]
    pages: list[str]

    @property
    def size(self) -> int:
        """The number of tables, named queries and queries of dashboards."""
        return len(self.tables) + len(self.queries) + len(self.pages)


def differences(old: Description, new: Description) -> list[Difference]:
    """What differs in tables and landed events, in the order of the old description. New tables do not count."""
    found: list[Difference] = []
    for name, before in old["events"].items():
        found += _of_columns(name, before, new["events"].get(name))
    for name, before in old["tables"].items():
        found += _of_table(name, before, new["tables"].get(name))
    return found


def _of_table(name: str, old: Description, new: Description | None) -> Iterator[Difference]:
    rows = Source(name, ROWS)
    if new is None:
        yield Difference(rows, "the table is removed", True)
        return
    for part in ("key", "partition"):
        if old[part] != new[part]:
            text = f"{part} is {', '.join(new[part]) or 'none'}, was {', '.join(old[part]) or 'none'}"
            yield Difference(rows, text, True)
    if old["write"] != new["write"]:
        yield Difference(rows, f"write mode is {new['write']}, was {old['write']}", True)
    if old["logic"] != new["logic"]:
        yield Difference(rows, "the logic has changed")
    yield from _of_columns(name, old["columns"], new["columns"])


def _of_columns(name: str, old: Description, new: Description | None) -> Iterator[Difference]:
    if new is None:
        yield Difference(Source(name, ROWS), "the event is removed", True)
        return
    for column, before in old.items():
        after = new.get(column)
        if after is None:
            yield Difference(Source(name, column), "the column is removed", True)
        elif after != before:
            yield from _of_column(Source(name, column), before, after)


def _of_column(what: Source, old: Description, new: Description) -> Iterator[Difference]:
    if old["type"] != new["type"]:
        text = f"type is {new['type']}, was {old['type']}"
        yield Difference(what, text, not is_wider(old["type"], new["type"]))
    if old["nullable"] != new["nullable"]:
        yield Difference(what, "NULL is allowed now" if new["nullable"] else "NULL is not allowed any more")
    for part, text in (("values", "allowed values"), ("range", "allowed range")):
        if old[part] != new[part]:
            yield Difference(what, f"{text}: {_shown(new[part])}, was {_shown(old[part])}")


def _shown(limits: list[Any]) -> str:
    return ", ".join("any" if value is None else str(value) for value in limits) or "any"


def is_wider(old: str, new: str) -> bool:
    """Whether every value of the old type is a value of the new one, without loss."""
    before, after = DECIMAL.fullmatch(old), DECIMAL.fullmatch(new)
    if before and after:
        (precision, scale), (more, same) = map(int, before.groups()), map(int, after.groups())
        return same >= scale and more - same >= precision - scale
    return old in WIDER and new in WIDER and WIDER[new] > WIDER[old]


def reach(old: Description, new: Description, found: list[Difference]) -> Reach:
    """Everything that reads what differs, directly or not, in the old or in the new revision."""
    steps = [Edge(Source(*edge[:2]), Source(*edge[2:4]), edge[4]) for one in (old, new) for edge in one["edges"]]
    changed = set(_origins(old, found))
    for origin in list(changed):
        changed |= {change.target for change in changes(origin, steps)}
    tables: dict[str, list[str]] = {}
    for source in sorted(changed):
        tables.setdefault(source.table, []).append(source.column)
    return Reach(tables, *(_reading(kind, old, new, changed) for kind in ("queries", "pages")))


def _origins(old: Description, found: list[Difference]) -> Iterator[Source]:
    """Where a change begins: a column; all columns of a table whose rows or logic differ."""
    for difference in found:
        yield difference.what
        if difference.what.column == ROWS:
            name = difference.what.table
            columns = old["tables"][name]["columns"] if name in old["tables"] else old["events"][name]
            yield from (Source(name, column) for column in columns)


def _reading(kind: str, old: Description, new: Description, changed: set[Source]) -> list[str]:
    names = {(source.table, source.column) for source in changed}
    readers = {
        query
        for one in (old, new)
        for query, columns in one[kind].items()
        if names.intersection((table, column) for table, column in columns)
    }
    return sorted(readers)
