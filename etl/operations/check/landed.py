"""Compares the landed files of an event with the fingerprints of the files that runs have read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from etl import catalog
from etl.engine.jobs.run_context import RunContext
from etl.engine.landing import reader as landing
from etl.engine.landing.arrivals import EMPTY
from etl.engine.landing.reader import Landed
from etl.engine.quality import completeness
from etl.engine.spark import files
from etl.engine.state.entry import TO_BE_READ, UNKNOWN, WITHOUT_FILES
from etl.engine.state.planner import HOUR
from etl.model.contract import Table
from etl.operations.backfill.hours import newest_landed
from etl.operations.check.finding import Finding
from etl.operations.retention.landing import kept, landed_hours

NOT_COMPARED = (EMPTY, TO_BE_READ, UNKNOWN, WITHOUT_FILES)
ACCEPT = "Restore the files. Without them `feed-etl check --repair` records that they are gone; rows of the table stay"


def check_zone(context: RunContext) -> Finding | None:
    """Return a finding when there is no landing zone to compare with."""
    root = files.absolute(context.settings.landing)
    if files.exists(context.spark, root):
        return None
    return Finding("landed_gone", "landing", f"there is no landing zone at {root}", next="Set --landing, or restore it")


def check(context: RunContext, table: Table) -> Iterator[Finding]:
    """Yield a finding for landed hours whose files were changed, and one for hours whose files were removed.

    Files that retention or an erasure removed or rewrote are no finding. Files that landed since are only a note.
    """
    assert table.event
    recorded = _recorded(context, table)
    existing = sorted(set(landed_hours(context, table.event)) & recorded.keys())
    parts = landing.listing(context.spark, context.settings, table.event, existing)
    with_files = {part.hour: part for part in parts if part.files}
    differing = [part for part in with_files.values() if part.fingerprint != recorded[part.hour]]
    counts = completeness.history(context.ledger.published(table.name))
    late = {p.hour for p in differing if p.hour in counts and _only_added(p, counts[p.hour].files, recorded[p.hour])}
    changed = tuple(part.hour for part in differing if part.hour not in late)
    gone, name = tuple(sorted(recorded.keys() - with_files.keys())), table.event.name
    if changed:
        what = f"landed files of {name} were changed or removed after a run had read them"
        yield Finding("landed_changed", table.name, what, changed, _read_again(table, changed))
    if gone:
        yield Finding("landed_gone", table.name, f"all landed files of {name} are gone", gone, ACCEPT)
    if late:
        what = f"files of {name} landed after a run had read these hours"
        yield Finding("landed_since", table.name, what, tuple(sorted(late)), "The next run reads them", is_note=True)


def _recorded(context: RunContext, table: Table) -> dict[datetime, str]:
    """Return landed hour -> fingerprint of the files that were read, for hours whose files are still kept."""
    deadline = newest_landed(context, catalog.tables()) + HOUR - kept(context.settings, table)
    limits = (deadline if table.retention_days else None, context.ledger.kept_from(table.name))
    first = max((limit for limit in limits if limit), default=None)
    read = {datetime.fromisoformat(h): found for h, found in context.ledger.fingerprints(table.name).items()}
    return {h: found for h, found in read.items() if found not in NOT_COMPARED and (first is None or h >= first)}


def _only_added(part: Landed, count: int, fingerprint: str) -> bool:
    """Whether the files that were read are still there: those are the oldest `count` files of the hour."""
    oldest = sorted(part.files, key=lambda file: file.modified)[:count]
    return Landed(part.hour, tuple(sorted(oldest, key=lambda file: file.path))).fingerprint == fingerprint


def _read_again(table: Table, hours: tuple[datetime, ...]) -> str:
    end = max(hours) + HOUR
    interval = f"--from {min(hours).strftime(landing.HOUR)} --to {end.strftime(landing.HOUR)} --table {table.name}"
    return f"Restore the files, or run `feed-etl run {interval}`: it reads these hours again, as they are now"
