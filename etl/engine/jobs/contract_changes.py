"""Compares a table of the lake with its contract: what `feed-etl migrate` applies, and what it refuses.

A change is safe when every published row, and every query that reads the table, stays as valid as it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from pyspark.sql.types import StructType

from etl.engine.delta import tables as delta
from etl.engine.delta import typed_checksums
from etl.engine.delta.tables import Metadata
from etl.engine.jobs import type_changes
from etl.engine.spark.literals import literal
from etl.model import limits
from etl.model.contract import Column, Table

NEW_TABLE = (
    "Keep {name} as it is, and define the new form as a table of its own, {name}_v2. `feed-etl run` and `feed-etl "
    "backfill run --table {name}_v2` make its hours. When its readers have moved, remove {name}"
)
NEW_COLUMN = (
    "Keep `{column}`, and add a nullable column beside it. A second version of the logic fills it: `feed-etl backfill "
    "run --table {name} --from-version v2`. When its readers have moved, leave `{column}` NULL"
)
OPTIONAL = "Let it be nullable (`{column}?`), then fill old hours with `feed-etl backfill run --table {name}`"
KEEP_LIMIT = "Keep the wider limit in the contract, and add the stricter rule to the suite of {name}, for new hours"


@dataclass(frozen=True)
class Change:
    """One difference between a table and its contract.

    what: `add the column x BIGINT`. statement: what follows ALTER TABLE and its name; empty when the change is not
    safe. way: what to do in place of a change that is not safe. blocks: runs refuse the table until it is applied.
    names: the columns, or the names of the limits. is_widening: it needs Delta's type widening.
    """

    table: str
    what: str
    statement: str = ""
    way: str = ""
    blocks: bool = False
    names: tuple[str, ...] = ()
    is_widening: bool = False

    @property
    def is_safe(self) -> bool:
        """Whether `migrate` applies the change."""
        return bool(self.statement)

    def as_json(self) -> dict[str, object]:
        """The change as `migrate --json` prints it."""
        return {"table": self.table, "change": self.what, "safe": self.is_safe, "way": self.way}

    def __str__(self) -> str:
        return f"{self.table}: {self.what}" + ("" if self.is_safe else f": refused. {self.way}.")


def changes(table: Table, found: Metadata, properties: dict[str, str], schema: StructType) -> list[Change]:
    """All changes of a table, in the order in which they can be applied.

    properties: those that its contract gives a new table. schema: the columns that its contract gives a new table.
    """
    columns = [
        *_dropped(table, found),
        *_added(table, found),
        *_types(table, found, schema),
        *_nullability(table, found),
        *_order(table, found),
    ]
    others = [_layout(table, found), _comments(table, found), _limits(table, found)]
    others += [_properties(table, found, properties)]
    return [*_before(table, found, columns), *columns, *chain.from_iterable(others)]


def _before(table: Table, found: Metadata, columns: list[Change]) -> Iterator[Change]:
    """What must come before the changes of columns. Checksums of earlier releases depend on the columns as they are."""
    if any(c.is_safe for c in columns) and typed_checksums.COLUMNS not in found.properties:
        text = {typed_checksums.COLUMNS: typed_checksums.columns_text(found.schema)}
        yield Change(table.name, "note the columns that earlier checksums cover", _set(text))
    if any(c.is_widening for c in columns) and found.properties.get(type_changes.WIDENING) != "true":
        yield Change(table.name, "allow wider types", _set({type_changes.WIDENING: "true"}))


def _dropped(table: Table, found: Metadata) -> Iterator[Change]:
    for name in found.schema.names:
        if name not in table.column_names:
            way = NEW_COLUMN.format(name=table.name, column=name)
            yield Change(table.name, f"drop or rename the column {name}", way=way, blocks=True, names=(name,))


def _added(table: Table, found: Metadata) -> Iterator[Change]:
    existing = _names_afterwards(table, found)
    for column in table.columns:
        if column.name in found.schema.names:
            continue
        what = f"add the column {column.name} {column.type}"
        if not column.nullable:
            way = OPTIONAL.format(name=table.name, column=column.name)
            yield Change(table.name, f"{what} NOT NULL", way=way, blocks=True, names=(column.name,))
            continue
        field = f"`{column.name}` {column.type} COMMENT {literal(comment(column))} {_place(column.name, existing)}"
        yield Change(table.name, what, f"ADD COLUMNS ({field})", blocks=True, names=(column.name,))


def _names_afterwards(table: Table, found: Metadata) -> list[str]:
    """The columns of the contract, in its order, that the table has once its safe changes are applied."""
    return [c.name for c in table.columns if c.name in found.schema.names or c.nullable]


def _place(name: str, names: list[str]) -> str:
    """The place of a column among others, as SQL."""
    position = names.index(name)
    return f"AFTER `{names[position - 1]}`" if position else "FIRST"


def _types(table: Table, found: Metadata, schema: StructType) -> Iterator[Change]:
    for column in table.columns:
        if column.name not in found.schema.names:
            continue
        old, new = found.schema[column.name].dataType, schema[column.name].dataType
        if old == new:
            continue
        what = f"change the type of {column.name} from {old.simpleString()} to {new.simpleString()}"
        path = type_changes.widened(old, new)
        if path is None or column.name in found.partition:
            way = NEW_COLUMN.format(name=table.name, column=column.name)
            yield Change(table.name, what, way=way, blocks=True, names=(column.name,))
        else:
            statement = f"ALTER COLUMN `{column.name}`{path.where} TYPE {path.type}"
            yield Change(table.name, what, statement, blocks=True, names=(column.name,), is_widening=True)


def _nullability(table: Table, found: Metadata) -> Iterator[Change]:
    """NOT NULL that the contract no longer asks for. That it asks for now is a narrower limit."""
    for column in table.columns:
        if column.name not in found.schema.names or found.schema[column.name].nullable == column.nullable:
            continue
        if column.nullable:
            statement = f"ALTER COLUMN `{column.name}` DROP NOT NULL"
            yield Change(table.name, f"allow NULL in {column.name}", statement, blocks=True, names=(column.name,))
        else:
            way = KEEP_LIMIT.format(name=table.name)
            yield Change(table.name, f"refuse NULL in {column.name}", way=way, names=(column.name,))


def _order(table: Table, found: Metadata) -> Iterator[Change]:
    """Moves of existing columns, after the new ones have their place."""
    wanted = _names_afterwards(table, found)
    current = [name for name in found.schema.names if name in wanted]
    for position, name in enumerate(wanted):
        if name not in current:
            current.insert(current.index(wanted[position - 1]) + 1 if position else 0, name)
    for position, name in enumerate(wanted):
        if current[position] != name:
            current.remove(name)
            current.insert(position, name)
            statement = f"ALTER COLUMN `{name}` {_place(name, wanted)}"
            yield Change(table.name, f"move the column {name}", statement, blocks=True, names=(name,))


def _layout(table: Table, found: Metadata) -> Iterator[Change]:
    if found.partition != table.partition:
        listed = f"({', '.join(table.partition)}), from ({', '.join(found.partition)})"
        way = NEW_TABLE.format(name=table.name)
        yield Change(table.name, f"partition by {listed}", way=way, blocks=True, names=table.partition)


def comment(column: Column) -> str:
    """The comment of a column in the lake."""
    return column.meaning.replace("'", '"')


def _comments(table: Table, found: Metadata) -> Iterator[Change]:
    known = {f.name: f.metadata.get("comment", "") for f in found.schema.fields}
    for column in table.columns:
        if column.name in known and known[column.name] != comment(column):
            statement = f"ALTER COLUMN `{column.name}` COMMENT {literal(comment(column))}"
            yield Change(table.name, f"change the comment of {column.name}", statement, names=(column.name,))


def _limits(table: Table, found: Metadata) -> Iterator[Change]:
    """Wider limits, and narrower ones, which are refused. A table of an earlier release has none to compare with."""
    new = limits.of(table)
    old = {name: json.loads(text) for name, text in found.properties.items() if name.startswith(limits.PREFIX)}
    if not old:
        if _has_other_key(table, found):
            yield Change(table.name, f"use the key {', '.join(table.key)}", way=NEW_TABLE.format(name=table.name))
        else:
            yield Change(table.name, "note the key and the limits", _set(limits.as_properties(new)))
        return
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) == new.get(name):
            continue
        change = limits.compared(name, old.get(name), new.get(name))
        is_of_new_column = name.startswith(limits.COLUMN) and name.removeprefix(limits.COLUMN) not in found.schema.names
        if change.is_wider or is_of_new_column:
            yield Change(table.name, change.what, _set_or_unset(name, new.get(name)), names=(name,))
        else:
            way = (NEW_TABLE if name == limits.KEY else KEEP_LIMIT).format(name=table.name)
            yield Change(table.name, change.what, way=way, names=(name,))


def _has_other_key(table: Table, found: Metadata) -> bool:
    """Whether a table of an earlier release certainly had another key: its statistics leave a key column out."""
    listed = found.properties.get(delta.STATISTICS)
    return listed is not None and not {*table.key} <= {*listed.split(","), *found.partition}


def _properties(table: Table, found: Metadata, wanted: dict[str, str]) -> Iterator[Change]:
    for name, value in wanted.items():
        if not name.startswith(limits.PREFIX) and found.properties.get(name) != value:
            yield Change(table.name, f"set the property {name}", _set({name: value}), names=(name,))


def _set(properties: dict[str, str]) -> str:
    listed = ", ".join(f"{literal(name)} = {literal(value)}" for name, value in properties.items())
    return f"SET TBLPROPERTIES ({listed})"


def _set_or_unset(name: str, value: limits.Limit | None) -> str:
    return _set(limits.as_properties({name: value})) if value is not None else f"UNSET TBLPROPERTIES ({literal(name)})"
