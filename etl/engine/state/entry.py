"""A row of the ledger: what one run did to one table."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from etl.engine.state.shards import Shard

ERROR, RECOVERED = "error", "recovered"
"""Verdicts of rows that publish nothing: a run of the table raised an error; a later run of the same hours succeeded
and changed nothing."""
PASSED, SUPERSEDED = "passed", "superseded"
"""Verdict of rows that count, and of rows that a restore took back: the lake was restored to a point before them."""
TO_BE_READ = "owed"
"""Fingerprint of a landed hour that a recreated table lacks: runs read it again as long as it has files."""
WITHOUT_FILES = "gone"
"""Fingerprint of a landed hour whose files do not exist any more: retention removed them, or they were lost."""
UNKNOWN = "unknown"
"""Fingerprint of a landed hour in a rebuilt ledger: the table may lack records of the hour, so a run reads it again."""
REASON = "reason:"
"""Prefix of the metrics of quarantine that count records by reason."""
ACCEPTED = "accepted"
"""Verdict of a row that publishes nothing: somebody accepted a level shift (`feed-etl dq accept`)."""
NEW_FIELD, NEW_VALUE = "new_field:", "new_value:"
"""Prefixes of the metrics of a landing job: records (estimated) with a field that the event does not have, by its
name; records with a value outside of a set, by `field=value`."""
DAMAGED = "damaged"
"""Key of `affected_hours`: hours of the table itself that differ from what was published and must be made again."""


@dataclass
class Entry:
    """One row of the ledger.

    processed_hours: the hours (days) the run made. published_hours: hour, row count and checksum of each hour that
    changed, after the publish. affected_hours: hour column -> hours whose readers must run again. input_versions and
    input_ids: Delta version and table id of each input. fingerprints: landed hour -> fingerprint of its files.
    measures: for each hour and rule about history: `hour`, `rule`, the `rows` that were measured, the `value` or the
    rows by `categories`, and the judgment: `verdict` (passed or failed; None when there was none), `severity`,
    `expected`, `low`, `high`. The value of categories is their stability index.
    """

    run_id: str
    table_name: str
    started_at: datetime
    range_from: datetime | None = None
    range_to: datetime | None = None
    seconds: float = 0.0
    verdict: str = "passed"
    reason: str = ""
    input_versions: dict[str, int] = field(default_factory=dict)
    output_version: int | None = None
    processed_hours: list[datetime] = field(default_factory=list)
    published_hours: list[dict[str, Any]] = field(default_factory=list)
    affected_hours: dict[str, list[datetime]] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    records_read: int = 0
    records_accepted: int = 0
    records_quarantined: int = 0
    rows_written: int = 0
    rules: int = 0
    failures: str = "[]"
    metrics: dict[str, float] = field(default_factory=dict)  # for people only: no decision of a run depends on them
    code_version: str = ""
    table_id: str | None = None  # Delta's table id; None in rows of earlier releases, which mean the first known id
    input_ids: dict[str, str] = field(default_factory=dict)
    landed: list[dict[str, Any]] = field(default_factory=list)  # completeness of each landed hour
    shard_number: int | None = None  # the shard that the run made, of `shard_count`; None: all people
    shard_count: int | None = None
    seen_version: int | None = None  # up to this version all publishes of the table are recorded
    kept_from: datetime | None = None  # retention removed the hours before this one; they never come back
    compacted_to: datetime | None = (
        None  # before this hour a change log is compacted: it has only the records that make versions
    )
    logic_version: int | None = None  # the publish switched the table to this version of its logic
    checked_version: int | None = None  # `feed-etl check --repair` has checked the commits up to this version
    contradictions: int | None = None  # contested keys; of a dimension, (key, effective_ts) pairs
    corrections: int | None = None  # published rows of a fact that the run replaced by a winning row
    rows_erased: int | None = None  # rows that an erasure found to name the people
    reaches_to: datetime | None = None  # of a chain: the last later day that the change of this publish can reach
    restored_to: int | None = None  # the publish restored the table to this version: those in between do not count

    measures: list[dict[str, Any]] = field(default_factory=list)  # of each hour and rule about history: see below
    accepted_rule: str | None = None  # the rule about history that somebody accepted a level shift of …
    accepted_from: datetime | None = None  # … and the first hour of the new level

    @property
    def shard(self) -> Shard | None:
        """The shard whose rows the run made; None when it made the rows of all people."""
        if self.shard_number is None or self.shard_count is None:
            return None
        return Shard(self.shard_number, self.shard_count)

    @property
    def seen(self) -> int:
        """The version up to which every publish of the table is recorded, as far as the run of this row knew."""
        return self.output_version or 0 if self.seen_version is None else self.seen_version

    @property
    def reasons(self) -> dict[str, int]:
        """Reason -> quarantined records (only for quarantine). A record with several reasons counts once for each."""
        counts = {name: count for name, count in self.metrics.items() if name.startswith(REASON)}
        return {name.removeprefix(REASON): int(count) for name, count in counts.items()}


@cache
def code_version() -> str:
    """The version of the package and, in a git checkout, the commit: `1.2.0+abc1234`."""
    folder = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "installed"
    try:
        return f"{version('feed-etl')}+{commit}"
    except PackageNotFoundError:  # run from a source tree that is not installed
        return f"0+{commit}"


_OPTIONAL = {f.name for f in fields(Entry) if f.default is None}


def from_row(row: dict[str, Any]) -> Entry:
    """An entry from the values of its fields. A field that is NULL gets its default."""
    return Entry(**{name: value for name, value in row.items() if value is not None or name in _OPTIONAL})
