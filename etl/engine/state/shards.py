"""A shard: the users in one of n equal ranges of a hash of their id, so that several processes share a table's work.

A publish by a shard counts for its users only: a table has been made for an hour when every shard has made it. What
goes by the person are facts whose inputs all name that person; dimensions are read whole. Any number of shards makes
the same rows, see docs/decisions/0012-shards.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from etl.errors import ConfigError
from etl.model.contract import Layer, Table
from etl.model.privacy import viewer_column

HASH_BITS = 31  # of the upper half of a 64-bit hash: enough to cut it into any number of shards in use


@dataclass(frozen=True)
class Shard:
    """The `number`-th of `count` shards, counted from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def predicate(self, column: str) -> str:
        """SQL that is true of the rows of this shard and false of all others."""
        hashed = f"shiftrightunsigned(xxhash64({column}), {64 - HASH_BITS})"
        return f"shiftright({hashed} * {self.count}, {HASH_BITS}) = {self.number - 1}"

    def meets(self, other: Shard | None) -> bool:
        """Whether some user may be in both; None is everybody."""
        if other is None:
            return True
        first = max((self.number - 1) * other.count, (other.number - 1) * self.count)
        return first < min(self.number * other.count, other.number * self.count)


def parse(text: str) -> Shard:
    """`2/4`, the second of four. Raises ConfigError."""
    found = re.fullmatch(r"([1-9]\d{0,3})/([1-9]\d{0,3})", text)
    if not found or int(found[1]) > int(found[2]):
        raise ConfigError(f"--shard must be like 1/4, 2/4, 3/4 or 4/4 (the first of n is 1/n), not {text!r}.")
    return Shard(int(found[1]), int(found[2]))


def every(count: int) -> list[Shard]:
    """All n of them."""
    return [Shard(number, count) for number in range(1, count + 1)]


def by_person(table: Table) -> str | None:
    """The column a table is cut by; None when it can only be made whole."""
    person = viewer_column(table.column_names)
    read = [i.table.column_names for i in table.inputs if not i.as_of]
    whole = table.layer is not Layer.FACTS or not read or table.event is not None
    return None if whole or any(viewer_column(names) != person for names in read) else person
