"""What a table is: frozen values, no Spark. Everything else about a table is derived from these."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar

from etl.errors import ContractViolation
from etl.model.privacy import viewer_column

LATENESS = "lateness"  # as far back as a record may land late: conf's `lateness_days`
FACTS_KEPT = "facts"  # as far back as facts are kept: conf's `facts_days`
SEEN_AGAIN_DAYS = 8
"""`once_within_days` of an id that does not hold its time: records land within 7 days (the default)."""


class Layer(IntEnum):
    """A row flows from a lower layer to the same or a higher one, never back."""

    BRONZE = 1
    DIMS = 2
    FACTS = 3
    ROLLUPS = 4
    MARTS = 5


@dataclass(frozen=True)
class Replace:
    """A batch replaces whole partitions.

    preclustered: `transform` leaves rows in ranges of the first cluster column, which are not partitioned again.
    """

    meaning: ClassVar[str] = "replace whole partitions"
    preclustered: bool = False


@dataclass(frozen=True)
class InsertNew:
    """Rows whose key is not there yet are appended; an unequal record of a key that comes before replaces its row.

    dedup_window_days: how far apart records of one key may lie; 0: in one hour, which the key holds.
    affected_hours: (changed rows, all rows of their hours) -> rows whose `impression_hour` is to be made again by
    tables that read this one by that column; None where none does.
    """

    meaning: ClassVar[str] = (
        "append rows whose key is not there yet; an unequal record of a key that comes before replaces its row"
    )
    dedup_window_days: int = 0
    affected_hours: Callable[[Any, Any], Any] | None = None


@dataclass(frozen=True)
class MergeAggregate:
    """A batch is folded into the partitions it is of.

    combine: (existing rows, batch) -> their fold, at most one row for each key.
    """

    meaning: ClassVar[str] = "fold the batch into the partitions it is of"
    combine: Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Scd2:
    """Versions of the keys that changed are merged.

    natural_key: whose versions they are. tracked: columns of which a change makes a new version. surrogate: the column
    that is computed from natural key and valid_from; empty where the version's id comes from outside.
    """

    meaning: ClassVar[str] = "merge the versions of the keys that changed"
    natural_key: tuple[str, ...]
    tracked: tuple[str, ...]
    surrogate: str = ""


Write = Replace | InsertNew | MergeAggregate | Scd2
"""How a batch becomes part of a table. Each is idempotent and one atomic commit."""


@dataclass(frozen=True)
class Column:
    """One column of the vocabulary: a Spark SQL type, its meaning, unit and privacy class.

    A value of a `distinct` one is hardly ever that of another row: files keep no dictionary of it.
    """

    name: str
    type: str
    meaning: str
    unit: str = ""
    privacy: str = "none"
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    nullable: bool = False
    distinct: bool = False

    def optional(self) -> Column:
        """The same column where NULL is allowed."""
        return dataclasses.replace(self, nullable=True)

    def named(self, name: str) -> Column:
        """The same meaning under another name (a key seen from another table)."""
        return dataclasses.replace(self, name=name)


@dataclass(frozen=True)
class Event:
    """One kind of landed record. `rules` maps a quarantine reason to a SQL predicate of a *bad* record.

    `times` are (column or SQL expression, how far it may lie before the landed hour); only facts have them: a change
    log may carry any effective_ts. A record is judged by what happened in the `behind_days` before it, which must be
    kept as well. Fields named in `unless_closing` may be absent in a record whose op closes a version. Every other DATE
    or TIMESTAMP lies between conf's `min_day` and `max_day`; DATE fields in `not_ahead` lie at most `ledger_ahead_days`
    after the landed day, too. The time minted into the `snowflake` field is `id_ts` in rules and times; its hour is
    `snowflake_hour`, a column that tables made of the event have beside its fields.
    """

    name: str
    fields: tuple[Column, ...]
    times: tuple[tuple[str, str], ...] = ()
    behind_days: int = 0
    rules: tuple[tuple[str, str], ...] = ()
    optional_on_close: tuple[str, ...] = ()
    not_ahead: tuple[str, ...] = ()
    snowflake: str = ""
    snowflake_hour: Column | None = None


@dataclass(frozen=True)
class Input:
    """A table read by another one, and which of its hours matter to an output hour (or day).

    by: the column of the input whose changed hours make an output hour stale.
    behind_hours, ahead_hours: how many hours of the input before and after the output's must be read.
    """

    table: Table
    by: str = ""
    behind_hours: int = 0
    ahead_hours: int = 0
    as_of: bool = False


@dataclass(frozen=True)
class Reference:
    """`column` must exist as `to_column` in a dimension; live at `at` is a warning when it is not."""

    column: str
    to: Table
    to_column: str
    at: str


@dataclass(frozen=True)
class Table:
    """The contract of one table. See `etl/catalog.py` for what is checked of it."""

    name: str
    layer: Layer
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    write: Write
    owner: str
    partition: tuple[str, ...] = ()
    cluster: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    event: Event | None = None
    references: tuple[Reference, ...] = ()
    retention_days: int | None = None
    schedule: str = "hourly"
    checksum_skips: tuple[str, ...] = field(default=())
    made_of_person: tuple[tuple[str, Callable[[Any], Any]], ...] = ()  # column, and its value of the id that is there

    @property
    def versions(self) -> Scd2:
        """The write mode of a table of versions. Raises ContractViolation for any other table."""
        if not isinstance(self.write, Scd2):
            raise ContractViolation(f"{self.name} holds no versions. Its write mode must be Scd2.")
        return self.write

    @property
    def dedup_window_days(self) -> int:
        """How far apart records of one key may lie; 0: in one hour."""
        return self.write.dedup_window_days if isinstance(self.write, InsertNew) else 0

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def hour(self) -> str:
        """The partition column that holds the hour (or day) of a row; empty for dimensions."""
        return self.partition[-1] if self.partition else ""

    @property
    def daily(self) -> bool:
        return self.hour == "day"

    @property
    def per_viewer(self) -> bool:
        """Whether rows are told per viewer: with a key in the environment they name a pseudonym, not the id."""
        return self.layer >= Layer.ROLLUPS and viewer_column(self.key) is not None

    @property
    def has_sketch(self) -> bool:
        """Whether it holds sketches of people, or what is estimated from them."""
        return any(column.name.endswith("_hll") for column in self.columns)
