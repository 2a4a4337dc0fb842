"""Adds records that must be quarantined, of every kind that real producers send.

A bad record is a broken copy of a valid record. Half of the copies keep the id of the valid record, the other half get
a new id. A pipeline that accepts either of them has wrong facts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import cycle

import numpy as np

from etl.sources.landing_writer import Line, Row
from etl.subjects.feed.simulate.bad_kind import BadKind
from etl.subjects.feed.simulate.bad_kinds import kinds_of
from etl.subjects.feed.simulate.fields import CHANGE_EVENTS, FIELDS
from etl.subjects.feed.simulate.scenario import Scenario
from etl.subjects.feed.simulate.truth import Truth

FileKey = tuple[str, int, bool]
_LOW_MASK = (1 << 22) - 1
_FAR_ID = 10**12
_TRIES = 100


class BadRecords:
    """Adds a small share of bad records to every landed hour and cycles through the kinds."""

    def __init__(self, scenario: Scenario, truth: Truth) -> None:
        """`truth` collects the quarantine reasons of every bad record."""
        self._scenario, self._truth = scenario, truth
        self._rng = np.random.default_rng([scenario.seed, 0xBAD])
        self._turns: dict[str, Iterator[BadKind]] = {event: cycle(kinds_of(event)) for event in FIELDS}
        self._made: Counter[str] = Counter()

    def corrupt(
        self, event: str, landed_us: int, files: Mapping[FileKey, list[Line]], formats: Mapping[FileKey, str]
    ) -> int:
        """Insert bad lines into the files of one event and landed hour. Returns their number."""
        valid = {key: [line for line in lines if isinstance(line, dict)] for key, lines in files.items()}
        wanted = int(sum(map(len, valid.values())) * self._scenario.bad_share)
        for _ in range(wanted):
            kind, key, row = self._choose(event, valid, formats)
            line = self._break(event, kind, row, landed_us)
            files[key].insert(int(self._rng.integers(len(files[key]) + 1)), line)
            self._truth.quarantined(event, landed_us, kind.reasons)
        return wanted

    def _choose(
        self, event: str, valid: Mapping[FileKey, list[Row]], formats: Mapping[FileKey, str]
    ) -> tuple[BadKind, FileKey, Row]:
        """The next kind that a file can hold, such a file, and a row of the file to break."""
        while True:
            kind = next(self._turns[event])
            keys = [key for key, rows in valid.items() if rows and (kind.typed or formats[key] != "parquet")]
            for _ in range(_TRIES if keys else 0):
                key = keys[int(self._rng.integers(len(keys)))]
                row = valid[key][int(self._rng.integers(len(valid[key])))]
                if kind.fits(row):
                    return kind, key, row

    def _break(self, event: str, kind: BadKind, row: Row, landed_us: int) -> Line:
        """A broken copy. Every second copy has an id that no valid record has."""
        self._made[event] += 1
        copy = dict(row)
        if self._made[event] % 2:
            id_field = next(iter(FIELDS[event]))
            copy[id_field] = self._new_id(event, row[id_field])
        kind.corrupt(copy, landed_us)
        return kind.text(json.dumps(copy, default=str)) if kind.text else copy

    def _new_id(self, event: str, valid_id: int) -> int:
        """An id that no valid record has. An impression id keeps the time it contains."""
        if event in ("impressions", "heartbeats"):
            return valid_id | _LOW_MASK - self._made[event]
        far = 2 * _FAR_ID if event in CHANGE_EVENTS else _FAR_ID
        return valid_id + far + self._made[event]
