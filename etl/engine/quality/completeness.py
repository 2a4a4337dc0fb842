"""Completeness of landed hours: an hour that has far fewer records than its event usually has is *late*.

What is usual comes from the event's own landed hours as the ledger keeps them: the median of the same hour of the week
over four weeks when at least three are known, else the median of all hours of those four weeks. Only hours before the
judged one count, so the result does not depend on the clock, and an hour that is made again is judged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import dropwhile, groupby
from statistics import median
from typing import Any

from etl.conf import Completeness, EventCompleteness
from etl.engine.landing.arrivals import EMPTY
from etl.engine.quality.gate import COMPLETE, Failure
from etl.engine.state.entry import Entry

WEEK, WEEKS, MIN_WEEKS = timedelta(days=7), 4, 3
MANY_RECORDS = 20
"""Usual records from which on few records cannot be chance. Of an event that has fewer, only silence is judged."""
SILENT_SPELLS, FIRST_HOURS = 3, 24
NO_FOLDER, NO_FILES, NO_RECORDS, FEW_RECORDS = "no folder", "no files", "no records", "few records"


@dataclass(frozen=True)
class LandedHour:
    """What landed of an event in one hour. `expected` is the usual number of records, None when too little is known.

    `late` says why the hour is late; it is empty when the hour is complete or was not judged.
    """

    hour: datetime
    files: int
    records: int
    expected: int | None = None
    late: str = ""

    @property
    def message(self) -> str:
        """One sentence without any value of a record."""
        found = {
            NO_FOLDER: "it has no folder in the landing zone",
            NO_FILES: "its folder holds no file",
            NO_RECORDS: f"its files ({self.files}) hold no record",
            FEW_RECORDS: f"it has {self.records:,} records in {self.files:,} files",
        }[self.late]
        usual = f"; about {self.expected:,} records are usual" if self.expected else ""
        return f"Hour {self.hour:%Y-%m-%dT%H} is late: {found}{usual}."


History = Mapping[datetime, LandedHour]


def history(entries: Iterable[Entry]) -> dict[datetime, LandedHour]:
    """Landed hour -> what the newest published run of a table found in it. `entries` oldest first.

    Runs before this was recorded count when they were of one hour: then the run's total is the hour's.
    """
    return {landed.hour: landed for entry in entries if entry.verdict == "passed" for landed in _of(entry)}


def _of(entry: Entry) -> Iterator[LandedHour]:
    if entry.landed:
        yield from (LandedHour(**found) for found in entry.landed)
    elif len(entry.fingerprints) == 1:
        ((hour, fingerprint),) = entry.fingerprints.items()
        if entry.records_read or fingerprint == EMPTY:  # else the row is no run's that read the hour
            yield LandedHour(datetime.fromisoformat(hour), int(entry.records_read > 0), entry.records_read)


def late_hours(entries: Iterable[Entry]) -> list[LandedHour]:
    """Hours that are late now, oldest first: the newest published run of an hour decides."""
    return [landed for _, landed in sorted(history(entries).items()) if landed.late]


def judge(
    rules: Completeness, event: str, known: Mapping[datetime, LandedHour], found: list[LandedHour]
) -> list[LandedHour]:
    """The landed hours of a run, each judged by the hours before it, those of the same run too."""
    rule, seen = rules.of(event), dict(known)
    for landed in sorted(found, key=lambda each: each.hour):
        seen[landed.hour] = _judged(rule, rules.min_hours, seen, landed)
    return [seen[landed.hour] for landed in found]


def _judged(rule: EventCompleteness, min_hours: int, known: History, found: LandedHour) -> LandedHour:
    before = _before(known, found.hour)
    usual = None if rule.expected == "none" else _usual(known, before, found.hour, min_hours)
    is_late = rule.expected == "always" and not found.records
    if usual is not None and found.records < (rule.min_share or 0) * usual:
        is_late |= usual >= MANY_RECORDS or (not found.records and not _is_often_silent(before))
    why = NO_FILES if not found.files else NO_RECORDS if not found.records else FEW_RECORDS
    expected = None if usual is None else round(usual)
    return LandedHour(found.hour, found.files, found.records, expected, why if is_late else "")


def _before(known: History, hour: datetime) -> list[LandedHour]:
    """Hours of the four weeks before an hour, oldest first, from the first that had records."""
    trailing = [known[at] for at in sorted(known) if hour - WEEKS * WEEK <= at < hour]
    return list(dropwhile(lambda each: not each.records, trailing))


def _usual(known: History, before: list[LandedHour], hour: datetime, min_hours: int) -> float | None:
    """Usual number of records of an hour. None when too little is known.

    Late hours are left out of the median over all hours, so that a long outage does not become usual; the median of
    the same hour of the week keeps them, so that silence that returns each week does.
    """
    weekly = [known[at].records for n in range(1, WEEKS + 1) if (at := hour - n * WEEK) in known]
    if len(weekly) >= MIN_WEEKS:
        return median(weekly)
    steady = [each.records for each in before if not each.late]
    return median(steady) if len(steady) >= min_hours else None


def _is_often_silent(before: list[LandedHour]) -> bool:
    """Whether an event of few records is known to be silent now and then; silence that still goes on does not count."""
    spells = [list(group) for silent, group in groupby(before, lambda each: not each.records) if silent]
    over = [spell for spell in spells if spell[-1] is not before[-1]]
    was_usual = len(before) < FIRST_HOURS and any(not each.late for spell in over for each in spell)
    return was_usual or len(over) >= SILENT_SPELLS


def failures(rule: EventCompleteness, judged: Iterable[LandedHour]) -> list[Failure]:
    """A failure for each late hour, as the gate and the ledger take it."""
    return [
        Failure(COMPLETE, rule.severity or "warning", each.message, each.records, each.expected, [])
        for each in judged
        if each.late
    ]


def as_rows(judged: Iterable[LandedHour]) -> list[dict[str, Any]]:
    """As the ledger's column `landed` keeps them."""
    return [asdict(each) for each in judged]
