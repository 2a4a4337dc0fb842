"""The register of backfills: a Delta table in the lake, a row for each thing that happened to one."""

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
LATER = "ads"  # a column that registers of before do not have
OVER = ("done", "cancelled")


@dataclass(frozen=True)
class Backfill:
    """A backfill as it stands. `hours`: table -> hours to rebuild; `versions`: table -> version when declared."""

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
        return self.state not in OVER

    def overlaps(self, other: Backfill) -> bool:
        """Whether both rebuild an hour of the same table, or could: their ranges meet."""
        shared = self.hours.keys() & other.hours.keys()
        meet = self.range_from < other.range_to and other.range_from < self.range_to
        return any(meet or set(self.hours[t]) & set(other.hours[t]) for t in shared)


class Register:
    """Reads and appends the register of one lake."""

    def __init__(self, spark: SparkSession, lake: str) -> None:
        self.spark, self.uri = spark, f"{lake}/_backfills"
        self._seen: tuple[int, list[Backfill]] = -1, []

    def all(self) -> list[Backfill]:
        """Every backfill as it stands, oldest first. What is over stays over."""
        if not delta.is_table(self.spark, self.uri):
            return []
        version = delta.current_version(self.spark, self.uri)
        if version != self._seen[0]:
            self._seen = version, self._read(version)
        return self._seen[1]

    def _read(self, version: int) -> list[Backfill]:
        latest: dict[str, Backfill] = {}
        for row in delta.read(self.spark, self.uri, version).orderBy("at").collect():
            found = _from_row(row.asDict())
            if found.id not in latest or latest[found.id].in_flight:
                latest[found.id] = found
        return list(latest.values())

    def one(self, backfill_id: str) -> Backfill:
        """One by id. Raises ConfigError that lists those in flight."""
        found = {b.id: b for b in self.all()}
        if backfill_id not in found:
            going = ", ".join(b.id for b in found.values() if b.in_flight) or "none"
            raise ConfigError(
                f"There is no backfill {backfill_id!r}. In flight: {going}. See `feed-etl backfill status`."
            )
        return found[backfill_id]

    def declare(self, new: Backfill) -> None:
        """Write the first row. Raises ConflictError when one in flight overlaps; of two at once one comes first."""
        self.ensure()
        txn = Transaction(self.spark, self.uri)
        txn.read("true")
        self.refuse_overlap(new)
        txn.stage(self._frame(new))
        try:
            txn.commit(new.id)
        except ConflictError:  # somebody else declared one meanwhile: look again
            self.declare(new)

    def refuse_overlap(self, new: Backfill) -> None:
        """Raises ConflictError that names the one in flight."""
        for other in self.all():
            if other.in_flight and other.overlaps(new):
                raise ConflictError(
                    f"Backfill {other.id} ({other.state}, {other.owner}: {other.reason}) is in flight for the same "
                    f"table and hours. Go on with `feed-etl backfill run --resume {other.id}`, or cancel it first."
                )

    def note(self, backfill: Backfill, state: str, note: str = "") -> Backfill:
        """Append what became of it; returns it as it stands now."""
        self.ensure()
        now = dataclasses.replace(backfill, at=datetime.now(UTC), state=state, note=note)
        with delta.commit_metadata(self.spark, self.uri, backfill.id):
            self._frame(now).write.format("delta").mode("append").save(self.uri)
        return now

    def accept(self, backfill: Backfill) -> Backfill:
        """Write down that its changes are wanted however large they are."""
        return self.note(dataclasses.replace(backfill, accepted=True), "accepted")

    def ensure(self) -> None:
        """Make the table when it is not there, or is one of before."""
        if not delta.is_table(self.spark, self.uri):
            self.spark.sql(f"CREATE TABLE IF NOT EXISTS delta.`{self.uri}` ({SCHEMA}) USING DELTA")
        elif LATER not in delta.read(self.spark, self.uri).columns:
            self.spark.sql(f"ALTER TABLE delta.`{self.uri}` ADD COLUMNS ({LATER} ARRAY<BIGINT>)")

    def _frame(self, backfill: Backfill) -> DataFrame:
        row = asdict(backfill) | {
            "hours": json.dumps({t: [h.isoformat() for h in hours] for t, hours in backfill.hours.items()}),
            "versions": json.dumps(backfill.versions),
        }
        return self.spark.createDataFrame([tuple(row.values())], SCHEMA).coalesce(1)


def _from_row(row: dict[str, Any]) -> Backfill:
    hours = {t: [datetime.fromisoformat(h) for h in found] for t, found in json.loads(row["hours"]).items()}
    times = {k: v.astimezone(UTC) for k, v in row.items() if isinstance(v, datetime)}
    ads = tuple(row["ads"]) if row.get("ads") else None
    return Backfill(**{**row, **times, "hours": hours, "versions": json.loads(row["versions"]), "ads": ads})
