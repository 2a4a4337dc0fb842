"""The register of backfills: a Delta table in the lake, with one row for each change of state of a backfill."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.errors import ConfigError, ConflictError

SCHEMA = (
    "id STRING, at TIMESTAMP, state STRING, owner STRING, reason STRING, range_from TIMESTAMP, range_to TIMESTAMP, "
    "choice STRING, logic INT, hours STRING, versions STRING, accepted BOOLEAN, note STRING, ads ARRAY<BIGINT>"
)
ADDED_COLUMN = "ads"  # registers of earlier releases do not have this column
ENDED = ("done", "cancelled")


@dataclass(frozen=True)
class Backfill:
    """A backfill in its latest state.

    `hours`: table -> hours to rebuild. `versions`: table -> live version when the backfill was declared. `ads`: the
    interval of ad ids, None for all rows.
    """

    id: str
    at: datetime
    state: str
    owner: str
    reason: str
    range_from: datetime
    range_to: datetime
    choice: str
    logic: int | None
    hours: dict[str, list[datetime]]
    versions: dict[str, int]
    accepted: bool = False
    note: str = ""
    ads: tuple[int, int] | None = None

    @property
    def in_flight(self) -> bool:
        """Whether the backfill is neither done nor cancelled."""
        return self.state not in ENDED

    def overlaps(self, other: Backfill) -> bool:
        """Whether both backfills have a table in common, and there an hour in common or overlapping intervals."""
        shared = self.hours.keys() & other.hours.keys()
        intervals_overlap = self.range_from < other.range_to and other.range_from < self.range_to
        return any(intervals_overlap or set(self.hours[t]) & set(other.hours[t]) for t in shared)


class Register:
    """Reads the register of one lake and appends to it."""

    def __init__(self, spark: SparkSession, lake: str) -> None:
        self.spark, self.uri = spark, f"{lake}/_backfills"
        self._cached: tuple[int, list[Backfill]] = -1, []  # (version of the table, its backfills)

    def all(self) -> list[Backfill]:
        """Return every backfill in its latest state, oldest first. A backfill that has ended never starts again."""
        if not delta.is_table(self.spark, self.uri):
            return []
        version = delta.current_version(self.spark, self.uri)
        if version != self._cached[0]:
            self._cached = version, self._read(version)
        return self._cached[1]

    def _read(self, version: int) -> list[Backfill]:
        latest: dict[str, Backfill] = {}
        for row in delta.read(self.spark, self.uri, version).orderBy("at").collect():
            backfill = _from_row(row.asDict())
            if backfill.id not in latest or latest[backfill.id].in_flight:
                latest[backfill.id] = backfill
        return list(latest.values())

    def one(self, backfill_id: str) -> Backfill:
        """Return a backfill by id. Raises ConfigError, which lists the backfills in flight, when there is none."""
        by_id = {b.id: b for b in self.all()}
        if backfill_id not in by_id:
            in_flight = ", ".join(b.id for b in by_id.values() if b.in_flight) or "none"
            raise ConfigError(
                f"There is no backfill {backfill_id!r}. In flight: {in_flight}. See `feed-etl backfill status`."
            )
        return by_id[backfill_id]

    def declare(self, new: Backfill) -> None:
        """Write the first row of a backfill. Raises ConflictError when a backfill in flight overlaps with it.

        When two overlapping backfills are declared at the same time, the second commit fails and is checked again.
        """
        self.ensure()
        txn = Transaction(self.spark, self.uri)
        txn.read("true")
        self.refuse_overlap(new)
        txn.stage(self._frame(new))
        try:
            txn.commit(new.id)
        except ConflictError:  # another backfill was declared meanwhile
            self.declare(new)

    def refuse_overlap(self, new: Backfill) -> None:
        """Check that no backfill in flight overlaps. Raises ConflictError, which names that backfill."""
        for other in self.all():
            if other.in_flight and other.overlaps(new):
                raise ConflictError(
                    f"Backfill {other.id} ({other.state}, {other.owner}: {other.reason}) is in flight for the same "
                    f"table and hours. Continue it (`feed-etl backfill run --resume {other.id}`) or cancel it first."
                )

    def note(self, backfill: Backfill, state: str, note: str = "") -> Backfill:
        """Append a new state of a backfill. Returns the backfill in that state."""
        self.ensure()
        now = dataclasses.replace(backfill, at=datetime.now(UTC), state=state, note=note)
        with delta.commit_metadata(self.spark, self.uri, backfill.id):
            self._frame(now).write.format("delta").mode("append").save(self.uri)
        return now

    def accept(self, backfill: Backfill) -> Backfill:
        """Record that the user accepts the changes of a backfill, however large they are."""
        return self.note(dataclasses.replace(backfill, accepted=True), "accepted")

    def ensure(self) -> None:
        """Create the table when it does not exist. Add the column that a table of an earlier release lacks."""
        if not delta.is_table(self.spark, self.uri):
            self.spark.sql(f"CREATE TABLE IF NOT EXISTS delta.`{self.uri}` ({SCHEMA}) USING DELTA")
        elif ADDED_COLUMN not in delta.read(self.spark, self.uri).columns:
            self.spark.sql(f"ALTER TABLE delta.`{self.uri}` ADD COLUMNS ({ADDED_COLUMN} ARRAY<BIGINT>)")

    def _frame(self, backfill: Backfill) -> DataFrame:
        row = asdict(backfill) | {
            "hours": json.dumps({t: [h.isoformat() for h in hours] for t, hours in backfill.hours.items()}),
            "versions": json.dumps(backfill.versions),
        }
        return self.spark.createDataFrame([tuple(row.values())], SCHEMA).coalesce(1)


def _from_row(row: dict[str, Any]) -> Backfill:
    hours = {t: [datetime.fromisoformat(h) for h in texts] for t, texts in json.loads(row["hours"]).items()}
    times = {k: v.astimezone(UTC) for k, v in row.items() if isinstance(v, datetime)}
    ads = tuple(row["ads"]) if row.get("ads") else None
    return Backfill(**{**row, **times, "hours": hours, "versions": json.loads(row["versions"]), "ads": ads})
