"""Shards: each is one of n equal ranges of a hash of person ids, so that n processes can share the work on a table.

A publish by a shard counts only for its people: an hour of a table is complete when every shard has made it. Only facts
whose inputs all name the person are sharded; dimensions are read whole. Any number of shards gives the same rows. See
docs/decisions/0012-shards.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from etl.errors import ConfigError
from etl.model.contract import Layer, Table
from etl.model.privacy import viewer_column

HASH_BITS = 31
"""Number of upper bits of the 64-bit hash that decide the shard: enough for 9,999 shards of equal size."""


@dataclass(frozen=True)
class Shard:
    """Shard `number` of `count`, counted from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def predicate(self, column: str) -> str:
        """SQL predicate that is true for the rows of this shard and false for all others. `column` holds person ids."""
        hashed = f"shiftrightunsigned(xxhash64({column}), {64 - HASH_BITS})"
        return f"shiftright({hashed} * {self.count}, {HASH_BITS}) = {self.number - 1}"

    def overlaps(self, other: Shard | None) -> bool:
        """Whether a person can be in both shards; None is all people."""
        if other is None:
            return True
        first = max((self.number - 1) * other.count, (other.number - 1) * self.count)
        return first < min(self.number * other.count, other.number * self.count)


def parse(text: str) -> Shard:
    """The shard of a text such as `2/4`, the second of four. Raises ConfigError when the text has another form."""
    found = re.fullmatch(r"([1-9]\d{0,3})/([1-9]\d{0,3})", text)
    if not found or int(found[1]) > int(found[2]):
        raise ConfigError(f"--shard must be like 1/4, 2/4, 3/4 or 4/4 (the first of n is 1/n), not {text!r}.")
    return Shard(int(found[1]), int(found[2]))


def all_shards(count: int) -> list[Shard]:
    """All shards of a table that is made in `count` shards."""
    return [Shard(number, count) for number in range(1, count + 1)]


def person_column(table: Table) -> str | None:
    """The column that a table is sharded by; None when it cannot be sharded.

    Only facts are sharded, and only when the table and all its inputs have the same person column. A chain is made for
    all people at once: its days follow each other.
    """
    person = viewer_column(table.column_names)
    inputs = [i.table.column_names for i in table.inputs if not i.as_of]
    if table.layer is not Layer.FACTS or not inputs or table.event is not None or table.chain:
        return None
    return person if all(viewer_column(names) == person for names in inputs) else None
