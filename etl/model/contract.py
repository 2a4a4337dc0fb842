"""The contract of a table: frozen values, no Spark. Everything else about a table is derived from its contract."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar, Literal

from etl.errors import ContractViolation
from etl.model.privacy import viewer_column
from etl.model.work_class import WorkClass

LATENESS = "lateness"  # a time may lie this far before the landed hour: the event's or conf's `lateness_days`
FACTS_KEPT = "facts"  # a time may lie this far before the landed hour: conf's `facts_days`, the retention of facts
DEFAULT_LATENESS_DAYS = 7
"""`lateness_days` of conf in conf/base.yaml."""
EXTRA = "_extra"
"""The column of a bronze table for fields that its event does not have, when the event keeps them."""
DEDUP_WINDOW_DAYS = 8
"""`dedup_window_days` for an id that does not contain its time. Records land within 7 days (conf's default)."""


PREVIOUS_DAY = "previous_day"
"""The parameter by which `transform` of a chain gets the table's own rows of the day before."""


class Layer(IntEnum):
    """The layers in the order data flows. A table reads tables of its own layer or of lower layers only."""

    BRONZE = 1
    DIMS = 2
    FACTS = 3
    ROLLUPS = 4
    MARTS = 5


@dataclass(frozen=True)
class Replace:
    """A batch replaces whole partitions.

    preclustered: `transform` returns rows that are already range-partitioned by the first cluster column, so the
    write does not shuffle them again.
    """

    meaning: ClassVar[str] = "replace whole partitions"
    preclustered: bool = False


@dataclass(frozen=True)
class InsertNew:
    """A batch appends the rows whose key the table does not have yet.

    Of several different records with one key, the one that landed first wins, whichever a run reads first. It replaces
    the row of another record when necessary (docs/decisions/0016-one-result.md).

    dedup_window_days: how many days apart records with one key may lie. 0 means in one hour, which is part of the key.
    affected_hours: (changed rows, all rows of their hours) -> rows whose hours by the column `affected_by` must be
    computed again in tables that read this table by that column. Empty and None when no table does.
    """

    meaning: ClassVar[str] = (
        "append rows whose key is new; of several different records with one key, the one that landed first wins"
    )
    dedup_window_days: int = 0
    affected_by: str = ""
    affected_hours: Callable[[Any, Any], Any] | None = None


@dataclass(frozen=True)
class MergeAggregate:
    """A batch of aggregates is merged into the partitions it belongs to.

    combine: (existing rows, batch) -> merged rows, at most one row per key.
    """

    meaning: ClassVar[str] = "merge the aggregates of the batch into the rows of its partitions"
    combine: Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Scd2:
    """A batch replaces all versions of the keys that changed (slowly changing dimension, type 2).

    natural_key: the columns that identify what is versioned. tracked: the columns whose change starts a new version.
    surrogate: the column that is a hash of the natural key and valid_from; empty when the id of a version is landed.
    """

    meaning: ClassVar[str] = "merge the versions of the keys that changed"
    natural_key: tuple[str, ...]
    tracked: tuple[str, ...]
    surrogate: str = ""


Write = Replace | InsertNew | MergeAggregate | Scd2
"""How a batch is written to a table. Every mode is idempotent and makes one atomic commit."""


@dataclass(frozen=True)
class Column:
    """One column of the vocabulary: its Spark SQL type, meaning, unit and privacy class.

    values: the allowed values. low, high: the allowed range, both ends included.
    distinct: values hardly ever repeat, so Parquet files keep no dictionary of them.
    example: a value for the example record of an event, where one made from the type would be refused or say little.
    aliases: names that logs of other systems have for it; `feed-etl validate` then suggests this column.
    default: an SQL literal that questions get in place of NULL, for a column that tables got after their first rows.
    Runs read NULL, and it is never written: only a nullable column may have one.
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
    example: str | int | float | None = None
    aliases: tuple[str, ...] = ()
    default: str | None = None

    def optional(self) -> Column:
        """The same column, with NULL allowed."""
        return dataclasses.replace(self, nullable=True)

    def named(self, name: str) -> Column:
        """The same column under another name (for example, a key in another table)."""
        return dataclasses.replace(self, name=name)


@dataclass(frozen=True)
class Event:
    """One kind of landed record and its validation rules.

    times: (column or SQL expression, how far it may lie before the landed hour). Only facts have times: a change log
    may carry any effective_ts. Every other DATE or TIMESTAMP must lie between conf's `min_day` and `max_day`.
    lateness_days: how many days a time with LATENESS may lie before the landed hour; None: conf's `lateness_days`. At
    most as many as facts made from the event are kept.
    rules: (quarantine reason, SQL predicate that is true for a *bad* record).
    optional_on_close: fields that may be absent in a record whose op closes a version.
    required_unless: (nullable field, key of conf): a record must have the field, unless conf sets the key. Rows from
    before the field existed have NULL.
    not_ahead: DATE fields that may lie at most conf's `ledger_ahead_days` after the landed day.
    snowflake: the id field that contains a time. Rules and times refer to this time as `id_ts`.
    snowflake_hour: the column for the hour of `id_ts`, which tables made from the event have in addition to its fields.
    keeps_unknown: the bronze table keeps fields that the event does not have, in the column `_extra`.
    """

    name: str
    fields: tuple[Column, ...]
    times: tuple[tuple[str, str], ...] = ()
    lateness_days: int | None = None
    rules: tuple[tuple[str, str], ...] = ()
    optional_on_close: tuple[str, ...] = ()
    required_unless: tuple[tuple[str, str], ...] = ()
    not_ahead: tuple[str, ...] = ()
    snowflake: str = ""
    snowflake_hour: Column | None = None
    keeps_unknown: bool = False

    @property
    def has_lateness_limit(self) -> bool:
        """Whether the lateness limit decides about a time of a record."""
        return any(limit == LATENESS for _, limit in self.times)

    @property
    def required(self) -> tuple[str, ...]:
        """The fields that every record must have, unless conf or a closing `op` allows less."""
        unless = dict(self.required_unless)
        return tuple(f.name for f in self.fields if not f.nullable or f.name in unless)


@dataclass(frozen=True)
class Input:
    """A table that another table reads, and which hours of it an output hour (or day) depends on.

    by: the hour column of the input. When rows of an hour change, the output of that hour is stale.
    behind_hours, ahead_hours: how many hours of the input before and after the output hour must be read as well.
    as_of: the input is a dimension that is joined as of the time of each row.
    """

    table: Table
    by: str = ""
    behind_hours: int = 0
    ahead_hours: int = 0
    as_of: bool = False


@dataclass(frozen=True)
class Chain:
    """Says that a table reads its own previous day. `transform` gets the rows of that day as `previous_day`.

    The days of a chain have no gaps: runs also make the days between two days with input. The first day reads no rows.

    reach_days: a change of a day changes at most so many later days. No run goes further.
    """

    reach_days: int


@dataclass(frozen=True)
class Reference:
    """A foreign key: every value of `column` must exist as `to_column` of the dimension `to`.

    The audit warns when the version did not hold at the time in the column `at`.
    """

    column: str
    to: Table
    to_column: str
    at: str


@dataclass(frozen=True)
class Table:
    """The contract of one table. `etl/model/validation.py` checks it when the catalog loads.

    checksum_skips: columns that a comparison of two lakes ignores, because their bytes depend on the order of rows.
    derived_from_person: (column, function of the person's id that computes its value); erasure computes these again.
    logic: (number, function) of each other version of `transform`, for a backfill to switch to. `transform` is version
    1 unless the list has a version 1.
    urgency: the class by which a run works when many hours wait; None: marts for a mart, rollups for other layers.
    freshness: with `serving`, a run that makes the hours of a backlog one by one makes the newest first.
    oldest_first: a later hour depends on an earlier one, because days are locked or rows are written once.
    """

    name: str
    layer: Layer
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    write: Write
    owner: str
    partition: tuple[str, ...] = ()
    cluster: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    chain: Chain | None = None
    event: Event | None = None
    references: tuple[Reference, ...] = ()
    retention_days: int | None = None
    schedule: str = "hourly"
    checksum_skips: tuple[str, ...] = field(default=())
    derived_from_person: tuple[tuple[str, Callable[[Any], Any]], ...] = ()
    logic: tuple[tuple[int, Callable[..., Any]], ...] = ()
    urgency: WorkClass | None = None
    freshness: Literal["batch", "serving"] = "batch"
    oldest_first: bool = False

    @property
    def work_class(self) -> WorkClass:
        """The class by which a run works when many hours wait."""
        return self.urgency or (WorkClass.MARTS if self.layer is Layer.MARTS else WorkClass.ROLLUPS)

    @property
    def is_ordered(self) -> bool:
        """Whether hours are always made oldest first, and a failed hour holds back the later ones."""
        return self.chain is not None or self.oldest_first

    @property
    def versions(self) -> Scd2:
        """The write mode of a table of versions. Raises ContractViolation when the write mode is not Scd2."""
        if not isinstance(self.write, Scd2):
            raise ContractViolation(f"{self.name} holds no versions. Its write mode must be Scd2.")
        return self.write

    @property
    def dedup_window_days(self) -> int:
        """How many days apart records with one key may lie; 0 means in one hour."""
        return self.write.dedup_window_days if isinstance(self.write, InsertNew) else 0

    @property
    def sources(self) -> dict[str, Input]:
        """Parameter of `transform` -> what it holds: the inputs, and the previous day of a chain.

        `previous_day` begins 24 hours before a day and ends right before it.
        """
        inputs = {source.table.name: source for source in self.inputs}
        return inputs | ({PREVIOUS_DAY: Input(self, behind_hours=24, ahead_hours=-24)} if self.chain else {})

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def path(self) -> str:
        """The folder of the table in a lake: `facts/fct_impressions`."""
        return f"{self.layer.name.lower()}/{self.name}"

    @property
    def hour(self) -> str:
        """The partition column that holds the hour (or day) of a row; empty for dimensions."""
        return self.partition[-1] if self.partition else ""

    @property
    def daily(self) -> bool:
        """Whether a partition is a day, not an hour."""
        return self.hour == "day"

    @property
    def per_viewer(self) -> bool:
        """Whether this is a rollup or mart with a viewer in its key.

        With a pseudonym key in the environment, its rows hold a pseudonym in place of the viewer's id.
        """
        return self.layer >= Layer.ROLLUPS and viewer_column(self.key) is not None

    @property
    def has_sketch(self) -> bool:
        """Whether the table holds sketches of people."""
        return any(column.name.endswith("_hll") for column in self.columns)
