"""Completeness of landed hours: an hour with far fewer records than its event usually has is *late*.

The usual number comes from the event's earlier landed hours in the ledger: the median of the same hour of the week over
four weeks when at least three are known, else the median of all hours of these four weeks. Only hours before the judged
one count, so the result does not depend on the clock. An hour that is processed again is judged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import dropwhile, groupby
from statistics import median
from typing import Any

from etl.conf.sections import Completeness, EventCompleteness
from etl.engine.landing.arrivals import EMPTY
from etl.engine.quality.verdict import COMPLETE, Failure
from etl.engine.state.entry import Entry

WEEK, WEEKS, MIN_WEEKS = timedelta(days=7), 4, 3
MANY_RECORDS = 20
"""From this usual number on, few records are no chance. An event with fewer is late only when it has no records."""
SILENT_SPELLS, FIRST_HOURS = 3, 24
"""An event is often silent after three silent spells; within its first 24 hours, after one that was not late."""
NO_FOLDER, NO_FILES, NO_RECORDS, FEW_RECORDS = "no folder", "no files", "no records", "few records"


@dataclass(frozen=True)
class LandedHour:
    """What landed of an event in one hour.

    expected: the usual number of records; None when too few hours are known. late: why the hour is late; empty when it
    is complete or was not judged.
    """

    hour: datetime
    files: int
    records: int
    expected: int | None = None
    late: str = ""

    @property
    def message(self) -> str:
        """One sentence that says why the hour is late, without any value of a record."""
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
    """Landed hour -> what the newest published run of a table found in it. `entries`: oldest first.

    Ledger rows of earlier releases have no numbers by hour. They count when the run processed one hour: its total is
    then the number of this hour.
    """
    return {landed.hour: landed for entry in entries if entry.verdict == "passed" for landed in _landed_hours(entry)}


def _landed_hours(entry: Entry) -> Iterator[LandedHour]:
    if entry.landed:
        yield from (LandedHour(**found) for found in entry.landed)
    elif len(entry.fingerprints) == 1:
        ((hour, fingerprint),) = entry.fingerprints.items()
        if entry.records_read or fingerprint == EMPTY:  # else the row belongs to a run that did not read the hour
            yield LandedHour(datetime.fromisoformat(hour), int(entry.records_read > 0), entry.records_read)


def late_hours(entries: Iterable[Entry]) -> list[LandedHour]:
    """The hours that are late now, oldest first. The newest published run of an hour decides."""
    return [landed for _, landed in sorted(history(entries).items()) if landed.late]


def judge(
    rules: Completeness, event: str, known: Mapping[datetime, LandedHour], found: list[LandedHour]
) -> list[LandedHour]:
    """The landed hours of a run, each judged by the hours before it, including those of the same run."""
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
    expected = None if usual is None else round(usual)
    return LandedHour(found.hour, found.files, found.records, expected, _what_is_missing(found) if is_late else "")


def _what_is_missing(landed: LandedHour) -> str:
    if not landed.files:
        return NO_FILES
    return FEW_RECORDS if landed.records else NO_RECORDS


def _before(known: History, hour: datetime) -> list[LandedHour]:
    """The hours of the four weeks before an hour, oldest first, beginning with the first one that has records."""
    trailing = [known[at] for at in sorted(known) if hour - WEEKS * WEEK <= at < hour]
    return list(dropwhile(lambda each: not each.records, trailing))


def _usual(known: History, before: list[LandedHour], hour: datetime, min_hours: int) -> float | None:
    """The usual number of records of an hour; None when too few hours are known.

    The median over all hours leaves late hours out, so that a long outage does not become usual. The median of the same
    hour of the week includes them, so that silence at the same hour every week does become usual.
    """
    weekly = [known[at].records for n in range(1, WEEKS + 1) if (at := hour - n * WEEK) in known]
    if len(weekly) >= MIN_WEEKS:
        return median(weekly)
    on_time = [each.records for each in before if not each.late]
    return median(on_time) if len(on_time) >= min_hours else None


def _is_often_silent(before: list[LandedHour]) -> bool:
    """Whether an event with few records often has hours without any. A silent spell that has not ended is ignored."""
    spells = [list(group) for silent, group in groupby(before, lambda each: not each.records) if silent]
    ended = [spell for spell in spells if spell[-1] is not before[-1]]
    was_usual = len(before) < FIRST_HOURS and any(not each.late for spell in ended for each in spell)
    return was_usual or len(ended) >= SILENT_SPELLS


def failures(rule: EventCompleteness, judged: Iterable[LandedHour]) -> list[Failure]:
    """A failure of the rule `hour_is_complete` for each late hour."""
    return [
        Failure(COMPLETE, rule.severity or "warning", each.message, each.records, each.expected, [])
        for each in judged
        if each.late
    ]


def as_rows(judged: Iterable[LandedHour]) -> list[dict[str, Any]]:
    """The hours as values of the ledger column `landed`."""
    return [asdict(each) for each in judged]
