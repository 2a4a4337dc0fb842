"""The true versions (SCD type 2) of models, posts and creators, computed in plain Python from a change log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from etl.sources.landing_writer import Row

_NOT_PAYLOAD = frozenset({"effective_ts", "op"})


@dataclass
class Version:
    """One version: its payload holds from `valid_from` (inclusive) to `valid_to` (exclusive; None while open)."""

    payload: Row
    valid_from: int
    valid_to: int | None = None

    def holds_at(self, us: int) -> bool:
        """Whether the version held at a time (microseconds since 1970)."""
        return self.valid_from <= us and (self.valid_to is None or us < self.valid_to)


def versions_by_key(changes: Mapping[tuple[object, int], Row]) -> dict[object, list[Version]]:
    """All versions of every key, oldest first. The changes may be in any order."""
    by_key: dict[object, list[Row]] = defaultdict(list)
    for (key, _effective), change in changes.items():
        by_key[key].append(change)
    return {key: _versions(sorted(rows, key=lambda row: row["effective_ts"])) for key, rows in by_key.items()}


def _versions(changes: Iterable[Row]) -> list[Version]:
    versions: list[Version] = []
    for change in changes:
        payload = {name: value for name, value in change.items() if name not in _NOT_PAYLOAD and value is not None}
        live = versions[-1] if versions and versions[-1].valid_to is None else None
        if live and change["op"] == "upsert" and live.payload == payload:
            continue
        if live:
            live.valid_to = change["effective_ts"]
        if change["op"] == "upsert":
            versions.append(Version(payload, change["effective_ts"]))
    return versions


def payload_at(versions: Iterable[Version], us: int) -> Row:
    """The payload that held at a time (microseconds since 1970); empty when none did."""
    return next((version.payload for version in versions if version.holds_at(us)), {})
