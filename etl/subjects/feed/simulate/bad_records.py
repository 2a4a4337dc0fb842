"""Records that must be quarantined: every kind a real producer has sent, each with all its reasons.

A bad record is a lawful one, broken. Half of them keep the lawful id, half carry one of their own: a
pipeline that lets either through shows it in its facts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import cycle

import numpy as np

from etl.sources.landing_writer import CHANGE_EVENTS, FIELDS, Line, Row
from etl.subjects.feed.simulate.bad_kind import BadKind
from etl.subjects.feed.simulate.bad_kinds import kinds_of
from etl.subjects.feed.simulate.scenario import Scenario
from etl.subjects.feed.simulate.truth import Truth

FileKey = tuple[str, int, bool]
_LOW_MASK = (1 << 22) - 1
_FAR_ID = 10**12
_TRIES = 100


class BadRecords:
    """Spoils a small share of every landed hour, taking turns through the kinds."""

    def __init__(self, scenario: Scenario, truth: Truth) -> None:
        """The reasons of every bad record are told to `truth`."""
        self._scenario, self._truth = scenario, truth
        self._rng = np.random.default_rng([scenario.seed, 0xBAD])
        self._turns: dict[str, Iterator[BadKind]] = {event: cycle(kinds_of(event)) for event in FIELDS}
        self._made: Counter[str] = Counter()

    def spoil(
        self, event: str, landed_us: int, files: Mapping[FileKey, list[Line]], formats: Mapping[FileKey, str]
    ) -> int:
        """Put bad lines into the files of one event and landed hour; returns how many."""
        lawful = {key: [line for line in lines if isinstance(line, dict)] for key, lines in files.items()}
        wanted = int(sum(map(len, lawful.values())) * self._scenario.bad_share)
        for _ in range(wanted):
            kind, key, row = self._choose(event, lawful, formats)
            line = self._break(event, kind, row, landed_us)
            files[key].insert(int(self._rng.integers(len(files[key]) + 1)), line)
            self._truth.quarantined(event, landed_us, kind.reasons)
        return wanted

    def _choose(
        self, event: str, lawful: Mapping[FileKey, list[Row]], formats: Mapping[FileKey, str]
    ) -> tuple[BadKind, FileKey, Row]:
        """The next kind in turn that some file can hold, a file that can, and a row of it to break."""
        while True:
            kind = next(self._turns[event])
            keys = [key for key, rows in lawful.items() if rows and (kind.typed or formats[key] != "parquet")]
            for _ in range(_TRIES if keys else 0):
                key = keys[int(self._rng.integers(len(keys)))]
                row = lawful[key][int(self._rng.integers(len(lawful[key])))]
                if kind.fits(row):
                    return kind, key, row

    def _break(self, event: str, kind: BadKind, row: Row, landed_us: int) -> Line:
        """A broken copy; every other one has an id no lawful record has."""
        self._made[event] += 1
        copy = dict(row)
        if self._made[event] % 2:
            id_field = next(iter(FIELDS[event]))
            copy[id_field] = self._own_id(event, row[id_field])
        kind.spoil(copy, landed_us)
        return kind.text(json.dumps(copy, default=str)) if kind.text else copy

    def _own_id(self, event: str, lawful_id: int) -> int:
        """An id of its own; an impression's keeps the time minted into it."""
        if event in ("impressions", "heartbeats"):
            return lawful_id | _LOW_MASK - self._made[event]
        far = 2 * _FAR_ID if event in CHANGE_EVENTS else _FAR_ID
        return lawful_id + far + self._made[event]
