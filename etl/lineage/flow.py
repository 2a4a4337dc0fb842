"""Data types of lineage: sources that are part of a column's value, and sources that only influence it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

ROWS = "*"  # instead of a column name: the existence of the table's rows


@dataclass(frozen=True, order=True)
class Source:
    """A column of a table or of a landed event (`landing.impressions`). The column `*` means the table's rows."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"rows of {self.table}" if self.column == ROWS else f"{self.table}.{self.column}"


Uses = frozenset[tuple[str, Source]]
"""Pairs (how, source) of influences: how is filter, join, group, order, window, explode or rows."""
NONE: Uses = frozenset()


@dataclass(frozen=True)
class Flow:
    """The lineage of one column: `value` are sources of its value, `through` are influences, `fields` of a struct."""

    value: frozenset[Source] = frozenset()
    through: Uses = NONE
    fields: tuple[Flow, ...] = ()

    def used(self, how: str) -> Uses:
        """All sources of this flow, as influences on another flow."""
        return self.through | {(how, source) for source in self.value}

    def via(self, uses: Uses) -> Flow:
        """The same value with additional influences."""
        fields = tuple(field.via(uses) for field in self.fields)
        return replace(self, through=self.through | uses, fields=fields)


@dataclass(frozen=True)
class Lineage:
    """The lineage of a table: the flow of each column, and everything that influences which rows exist."""

    columns: dict[str, Flow]
    rows: Uses = NONE


def merge(flows: Iterable[Flow]) -> Flow:
    """The flow of a value that is computed from several flows."""
    given = list(flows)
    nothing: frozenset[Source] = frozenset()
    return Flow(nothing.union(*[flow.value for flow in given]), NONE.union(*[flow.through for flow in given]))


def compose(outer: Lineage, inner: Lineage, table: str) -> Lineage:
    """Express `outer`, which reads `table`, by the sources of `inner`, which builds `table`."""
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
