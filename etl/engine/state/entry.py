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
"""Verdicts of rows that publish nothing: the run of a table raised; a later run over its hours found nothing to do."""
OWED = "owed"  # as a fingerprint: a landed hour of a table that was made anew, to be read again while it has files
GONE = "gone"  # as a fingerprint: such an hour whose landed files are gone
REASON = "reason:"  # how many records were quarantined for it, among the metrics of quarantine
DAMAGED = "damaged"  # in `affected_hours`: hours of the table itself that are not what was published, to be made again


@dataclass
class Entry:
    """One row of the ledger. `published_hours` is the state after publish of each table-hour that changed."""

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
    metrics: dict[str, float] = field(default_factory=dict)  # for people: no decision of a run depends on these
    code_version: str = ""
    table_id: str | None = None  # Delta's id of the table; None in rows of earlier releases: the first that is known
    input_ids: dict[str, str] = field(default_factory=dict)
    landed: list[dict[str, Any]] = field(default_factory=list)  # what each landed hour had: see quality/completeness.py
    shard_number: int | None = None  # for which of `shard_count` shards a run made the table; None: for everybody
    shard_count: int | None = None
    seen_version: int | None = None  # the version up to which all publishes of the table are recorded
    kept_from: datetime | None = None  # of a retention: hours before it are gone for good
    compacted_to: datetime | None = None  # of a change log: hours before it keep what versions are made from
    logic_version: int | None = None  # of a publish that switches the table to other logic
    checked_version: int | None = None  # commits up to this version were looked at by `feed-etl check --repair`
    contradictions: int | None = None  # keys (and instants) with unequal records
    corrections: int | None = None  # published rows of a fact that the run replaced
    rows_erased: int | None = None  # of an erasure: rows that named the people

    @property
    def shard(self) -> Shard | None:
        """Whose rows were made; None: everybody's."""
        if self.shard_number is None or self.shard_count is None:
            return None
        return Shard(self.shard_number, self.shard_count)

    @property
    def seen(self) -> int:
        """The version up to which this row's run had recorded every publish of the table."""
        return self.output_version or 0 if self.seen_version is None else self.seen_version

    @property
    def reasons(self) -> dict[str, int]:
        """Records put aside by reason (quarantine only); one with several reasons counts for each."""
        return {n.removeprefix(REASON): int(c) for n, c in self.metrics.items() if n.startswith(REASON)}


@cache
def code_version() -> str:
    """The package's version and, in a checkout, the commit."""
    where = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=where, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "installed"
    try:
        return f"{version('feed-etl')}+{commit}"
    except PackageNotFoundError:  # run from a tree that was never installed
        return f"0+{commit}"


_OPTIONAL = {f.name for f in fields(Entry) if f.default is None}


def from_row(row: dict[str, Any]) -> Entry:
    return Entry(**{name: value for name, value in row.items() if value is not None or name in _OPTIONAL})
