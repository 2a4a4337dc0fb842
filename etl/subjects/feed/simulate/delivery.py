"""Delivery of records to landing files: some are late-arriving, duplicate, out of order or broken.

Delivery is at least once. A record that would land at or after the end of the scenario is neither written nor in the
truth.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import numpy as np

from etl.sources.landing_writer import Line, Row, hour_folder, write_landing_file
from etl.sources.stamps import HOUR_US, partition_of
from etl.subjects.feed.simulate.bad_records import BadRecords
from etl.subjects.feed.simulate.fields import CHANGE_EVENTS, FACT_EVENTS
from etl.subjects.feed.simulate.scenario import Scenario
from etl.subjects.feed.simulate.truth import Truth

FileKey = tuple[str, int, bool]
"""Event, partition (0 for change logs), and whether the file is a redelivery."""

Numbers = Sequence[int] | np.ndarray

_LATE_HOURS = np.array([1, 2, 5, 26, 47, 100, 160])
"""Lateness in hours, always below the limit of 7 days."""
_LATE_ODDS = np.array([0.7, 0.2, 0.04, 0.03, 0.01, 0.01, 0.01])
_FORMATS = ("jsonl.gz", "jsonl.gz", "jsonl.zst", "parquet", "jsonl.gz", "jsonl", "jsonl.gz", "jsonl.gz")
_FIRST_FORMAT = {"impressions": 0, "engagements": 4, "heartbeats": 2, "shares": 6}
_CHANGE_FORMAT = {"ranker_models": "jsonl", "posts": "jsonl.gz", "creators": "parquet"}
_OFFSETS = ("+00:00", "Z", "+00:00", "+02:00")


def file_format(event: str, partition: int) -> str:
    """The file format of a partition of an event. Four partitions use every format."""
    if event in _CHANGE_FORMAT:
        return _CHANGE_FORMAT[event]
    return _FORMATS[(_FIRST_FORMAT[event] + partition) % len(_FORMATS)]


def file_name(key: FileKey) -> str:
    """The name of a landing file, e.g. `impressions-p0003.parquet` or `posts-again.jsonl.gz`."""
    event, partition, again = key
    part = f"-p{partition:04d}" if event in FACT_EVENTS else ""
    return f"{event}{part}{'-again' if again else ''}.{file_format(event, partition)}"


class Outbox:
    """Records that are not yet written, by the hour they will land in."""

    def __init__(self, out: Path, scenario: Scenario, truth: Truth) -> None:
        """`out` is the landing zone. `truth` receives every valid record that lands before the end."""
        self._out, self._scenario, self._truth = out, scenario, truth
        self._rng = np.random.default_rng([scenario.seed, 0xDE11])
        self._ways = cycle(range(3))
        self._bad = BadRecords(scenario, truth)
        self._waiting: dict[int, dict[FileKey, list[Row]]] = defaultdict(lambda: defaultdict(list))

    def send(self, event: str, rows: Sequence[Row], times_us: Numbers, held: Numbers = ()) -> None:
        """Deliver facts that happened at `times_us`. `held` has extra hours of delay, one per row, or is empty."""
        hours = (np.asarray(times_us, dtype=np.int64) - self._scenario.start_us) // HOUR_US
        if len(held):
            hours = hours + np.asarray(held)
        self.send_to(event, rows, hours + self._lateness(len(rows)), self._scenario.repeat_share)

    def send_to(self, event: str, rows: Sequence[Row], hours: Numbers, repeat: float) -> None:
        """Deliver rows in the landed hours with these indexes. A share `repeat` of them is duplicated."""
        last = self._scenario.hours
        for row, hour in zip(rows, np.asarray(hours).tolist(), strict=True):
            if hour < last:
                self._waiting[hour][self._key(event, row)].append(row)
                self._truth.accept(event, row)
        for index in np.flatnonzero(self._rng.random(len(rows)) < repeat).tolist():
            self._repeat(event, rows[index], int(hours[index]))

    def flush(self, hour: int) -> None:
        """Write all records of the landed hour with this index. Nothing can be sent to this hour afterwards."""
        files = self._waiting.pop(hour, {})
        for event in (*FACT_EVENTS, *CHANGE_EVENTS):
            self._flush_event(event, hour, {key: rows for key, rows in files.items() if key[0] == event})

    def _lateness(self, count: int) -> np.ndarray:
        late = self._rng.random(count) < self._scenario.late_share
        hours: np.ndarray = np.where(late, self._rng.choice(_LATE_HOURS, count, p=_LATE_ODDS), 0)
        return hours

    def _key(self, event: str, row: Row, again: bool = False) -> FileKey:
        viewer = row.get("viewer_id") if event in FACT_EVENTS else None
        return event, 0 if viewer is None else partition_of(viewer, self._scenario.partitions), again

    def _repeat(self, event: str, row: Row, hour: int) -> None:
        """Deliver a row again: in the same file, in another file of the hour, or in another hour."""
        way = next(self._ways)
        target = hour + (int(self._rng.integers(1, 3)) if way == 2 else 0)
        if hour < self._scenario.hours and target < self._scenario.hours:
            self._waiting[target][self._key(event, row, again=way == 1)].append(row)

    def _flush_event(self, event: str, hour: int, files: dict[FileKey, list[Row]]) -> None:
        landed_us = self._scenario.hour_us(hour)
        shuffled = {key: self._shuffle(rows) for key, rows in sorted(files.items())}
        formats = {key: file_format(event, key[1]) for key in shuffled}
        accepted = sum(map(len, shuffled.values()))
        corrupted = self._bad.corrupt(event, landed_us, shuffled, formats)
        for key, lines in shuffled.items():
            path = hour_folder(self._out, event, landed_us) / file_name(key)
            write_landing_file(path, event, lines, _OFFSETS[key[1] % len(_OFFSETS)])
        if shuffled:
            self._truth.landed(event, landed_us, Counter(accepted=accepted, quarantined=corrupted))

    def _shuffle(self, rows: list[Row]) -> list[Line]:
        """Change the order a little, as parallel producers do: each row moves by up to 50 places."""
        places = np.arange(len(rows)) + self._rng.random(len(rows)) * 50
        return [rows[place] for place in np.argsort(places, kind="stable").tolist()]
