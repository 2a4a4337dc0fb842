"""Lineage as values: what a column is made of, and what decides it without being part of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

ROWS = "*"  # in place of a column: that a row of the table is there at all


@dataclass(frozen=True, order=True)
class Source:
    """A column of a table or of a landed event (`landing.impressions`); column `*` is the table's rows."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"rows of {self.table}" if self.column == ROWS else f"{self.table}.{self.column}"


Uses = frozenset[tuple[str, Source]]
"""How something decides a value or a row (filter, join, group, order, window, explode, rows), and what does."""
NONE: Uses = frozenset()


@dataclass(frozen=True)
class Flow:
    """What one column's value is made of, and through what else it may change. Fields are those of a struct."""

    value: frozenset[Source] = frozenset()
    through: Uses = NONE
    fields: tuple[Flow, ...] = ()

    def used(self, how: str) -> Uses:
        """All of this flow as something that decides another one."""
        return self.through | {(how, source) for source in self.value}

    def via(self, uses: Uses) -> Flow:
        """The same value, decided by more."""
        fields = tuple(field.via(uses) for field in self.fields)
        return replace(self, through=self.through | uses, fields=fields)


@dataclass(frozen=True)
class Lineage:
    """Each column's flow, and everything that decides which rows there are."""

    columns: dict[str, Flow]
    rows: Uses = NONE


def merge(flows: Iterable[Flow]) -> Flow:
    """One value made of several."""
    given = list(flows)
    nothing: frozenset[Source] = frozenset()
    return Flow(nothing.union(*[flow.value for flow in given]), NONE.union(*[flow.through for flow in given]))


def compose(outer: Lineage, inner: Lineage, table: str) -> Lineage:
    """`outer` reads `table`, which `inner` makes: `outer` in terms of what `inner` reads."""
    return Lineage(
        {name: _flow_of(flow, inner, table) for name, flow in outer.columns.items()},
        inner.rows | _uses_of(outer.rows, inner, table),
    )


def _flow_of(flow: Flow, inner: Lineage, table: str) -> Flow:
    parts = [inner.columns[s.column] if s.table == table else Flow(frozenset({s})) for s in flow.value]
    return merge(parts).via(_uses_of(flow.through, inner, table))


def _uses_of(uses: Uses, inner: Lineage, table: str) -> Uses:
    return NONE.union(
        *[_use_of(how, source, inner) if source.table == table else {(how, source)} for how, source in uses]
    )


def _use_of(how: str, source: Source, inner: Lineage) -> Uses:
    return inner.rows if source.column == ROWS else inner.columns[source.column].used(how)
