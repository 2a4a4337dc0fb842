"""Validation of every contract. A catalog with a fault does not load; the error has one line for each fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from etl.errors import ContractViolation
from etl.model.contract import Column, InsertNew, Layer, MergeAggregate, Replace, Scd2, Table


def check(tables: Sequence[Table], vocabulary: Mapping[str, Column]) -> None:
    """Raise ContractViolation with one line for each fault of these contracts; return nothing when there is none."""
    found = [f"{table.name}: {fault}" for table in tables for fault in faults(table, vocabulary)]
    twice = [name for name, count in Counter(table.name for table in tables).items() if count > 1]
    found += [f"{name}: two tables have this name. Rename one." for name in twice]
    if found:
        raise ContractViolation("\n".join(found))


def faults(table: Table, vocabulary: Mapping[str, Column]) -> Iterator[str]:
    """Every fault of one contract, each with the next step."""
    yield from _columns(table, vocabulary)
    yield from _named_columns(table)
    yield from _layers(table)
    yield from _write(table)
    yield from _logic(table)
    yield from _chain(table)
    yield from _defaults(table)
    yield from _lateness(table)


def _columns(table: Table, vocabulary: Mapping[str, Column]) -> Iterator[str]:
    for name, count in Counter(table.column_names).items():
        if count > 1:
            yield f"the column {name} is listed {count} times. List it once."
    for column in table.columns:
        known = vocabulary.get(column.name)
        if known is None or column not in (known, known.optional()):
            yield f"the column {column.name} is not defined in columns.py. Define it there and use that definition."


def _named_columns(table: Table) -> Iterator[str]:
    """Every column that a field of the contract names must exist in the table it refers to."""
    fields = {
        "key": table.key,
        "partition": table.partition,
        "cluster": table.cluster,
        "checksum_skips": table.checksum_skips,
        "derived_from_person": tuple(name for name, _ in table.derived_from_person),
        "references": tuple(name for r in table.references for name in (r.column, r.at)),
    }
    if isinstance(table.write, Scd2):
        fields |= {"natural_key": table.write.natural_key, "tracked": table.write.tracked}
        fields["surrogate"] = (table.write.surrogate,) if table.write.surrogate else ()
    if isinstance(table.write, InsertNew) and (table.write.affected_by or table.write.affected_hours):
        fields["affected_by"] = (table.write.affected_by,)
    for field, names in fields.items():
        yield from (
            f"{field} names {name}, which is not a column of this table. Correct the name or add the column."
            for name in names
            if name not in table.column_names
        )
    for source in table.inputs:
        if source.by not in ("", *source.table.column_names):
            yield f"the input {source.table.name} has no column {source.by}. Correct `by`."
    for reference in table.references:
        if reference.to_column not in reference.to.column_names:
            yield f"the dimension {reference.to.name} has no column {reference.to_column}. Correct the reference."


def _layers(table: Table) -> Iterator[str]:
    later = [i.table for i in table.inputs] + [r.to for r in table.references]
    names = sorted({each.name for each in later if each.layer > table.layer})
    if names:
        yield f"reads a later layer: {', '.join(names)}. Read tables of the same or an earlier layer only."


def _write(table: Table) -> Iterator[str]:
    if isinstance(table.write, Replace) and table.write.preclustered and not (table.inputs and table.cluster):
        yield "preclustered needs inputs and cluster columns. Remove `preclustered`, or add what is missing."
    if isinstance(table.write, MergeAggregate) and not table.event:
        yield "MergeAggregate needs an event. Give the table an event, or use another write mode."
    if isinstance(table.write, InsertNew | Scd2) and not table.inputs:
        yield f"{type(table.write).__name__} needs an input. Add an input, or use another write mode."


def _logic(table: Table) -> Iterator[str]:
    for number, count in Counter(number for number, _ in table.logic).items():
        if count > 1 or number < 1:
            yield f"logic lists version {number}, which is below 1 or listed twice. Number versions 1, 2, 3."


def _chain(table: Table) -> Iterator[str]:
    """Faults of a table that reads its own previous day."""
    if table.chain is None:
        return
    if table.partition != ("day",):
        yield 'a chain has one partition per day. Set partition=("day",), or remove `chain`.'
    if not isinstance(table.write, Replace):
        yield f"a chain replaces whole days, and {type(table.write).__name__} does not. Use Replace()."
    if table.chain.reach_days < 1:
        yield f"reach_days is {table.chain.reach_days}. A chain reaches at least 1 later day."
    if table.event or all(source.as_of for source in table.inputs):
        yield "a chain needs an input that makes its days due. Add an input that is not read as_of."
    if table.per_viewer:
        yield "a chain in a rollup or mart would read pseudonyms. Keep what is known per viewer in a fact."


def _defaults(table: Table) -> Iterator[str]:
    for column in table.columns:
        if column.default is not None and not column.nullable:
            yield f"{column.name} has a default and no NULL that it could stand for. Make the column optional."
        if column.default is not None and column.values and column.default.strip("'") not in column.values:
            yield f"the default of {column.name} is not one of its values. Use one of: {', '.join(column.values)}."


def _lateness(table: Table) -> Iterator[str]:
    """A record may come late only while the facts made from it are kept: a fact, or the landed records themselves."""
    sources = [table] if table.event else [source.table for source in table.inputs if table.layer == Layer.FACTS]
    for event in (source.event for source in sources if source.event):
        days = event.lateness_days
        if days is not None and table.retention_days is not None and days > table.retention_days:
            yield (
                f"{event.name} may come {days} days late, and this table keeps {table.retention_days} days. Lower "
                "lateness_days of the event."
            )
