"""What came in since the last look and names an erased person: landed files, rows and batches of runs under way.

A run gives erased people replacement ids as it reads, so no table learns of them; the file it read still names them,
until this has been through it. A run that read its files before somebody was on the list may publish after: rows are
looked for by the versions of a table since the last look, whatever the ledger says and whenever it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.jobs.work import Work, in_hours
from etl.engine.landing import owner
from etl.engine.landing import reader as landing
from etl.engine.people import suppression
from etl.engine.people.suppression import Suppressed
from etl.engine.spark import files
from etl.model.contract import Event, Table
from etl.model.privacy import ROLES
from etl.operations.erasure import disk, driver, landed, mails, register, rules, tables
from etl.operations.erasure.register import Sweep
from etl.operations.retention import orphan_files as remains
from etl.operations.retention.action import Action
from etl.operations.retention.landing import landed_hours
from etl.operations.retention.window import Window
from etl.operations.retention.window import tables as there

STEP = "erasure"
COMMITS = "add STRUCT<partitionValues: MAP<STRING, STRING>>"


def plan(window: Window) -> Iterator[Action]:
    """An action for each event and table that changed since the last look; none while nobody was erased."""
    work, lake = window.work, files.absolute(window.work.settings.lake)
    if suppression.is_there(work.spark, suppression.former_place(lake)):
        what = "the list of erased people is put under a key"
        yield Action(STEP, "_erasure", what, partial(register.convert, work.spark, lake))
    if suppression.load(work.spark, lake) is None:
        return
    present, seen = there(work), register.sweeps(work.spark, lake)
    not_ours = owner.refusal(work.spark, work.settings)
    if not_ours:
        yield Action(STEP, "landing", f"landed files stay: {not_ours}")
    for table, event in [] if not_ours else landed.events(*ROLES):
        new = _new_hours(work, event, seen.get(event.name)) if table in present else {}
        if new:
            what = f"{len(new)} landed hours to look through for erased people"
            yield Action(STEP, event.name, what, partial(_look, work, table, event, list(new)))
    for table in present:
        yield from _rows(work, table, seen.get(table.name)) if rules.roles(table) else ()
    refused = files.list_folders(work.spark, f"{lake}/_rejected")
    if refused:
        what = f"refused batches of {len(refused)} tables to look through for erased people"
        yield Action(STEP, "_rejected", what, lambda: disk.batches(work, _list(work)))
    for receipt in register.open_receipts(work.spark, lake):
        what = f"{receipt['id']} is not complete: {'; '.join(receipt.get('incomplete') or ['see its receipt'])}"
        yield Action(STEP, "_erasure", what, partial(finish, work, receipt))


def _list(work: Work) -> Suppressed:
    found = suppression.load(work.spark, files.absolute(work.settings.lake))
    assert found
    return found


def _new_hours(work: Work, event: Event, seen: Sweep | None) -> dict[datetime, str]:
    """Landed hours whose files are not those that were looked through, with their fingerprints."""
    parts = landing.listing(work.spark, work.settings, event, landed_hours(work, event))
    known = seen.fingerprints if seen else {}
    return {p.hour: p.fingerprint for p in parts if p.files and known.get(p.hour.isoformat()) != p.fingerprint}


def _look(work: Work, table: Table, event: Event, hours: list[datetime]) -> None:
    """Look through landed hours. What lands in one meanwhile is looked at next time."""
    lake = files.absolute(work.settings.lake)
    listed = _list(work)
    for role in landed.roles(event):
        clean = landed.clean(work, table, listed.of(role), hours)
    seen = register.sweeps(work.spark, lake).get(event.name, Sweep(event.name))
    now = {hour.isoformat(): mark for hour, mark in clean.fingerprints.items()}
    kept = {hour.isoformat() for hour in landed_hours(work, event)}
    prints = {hour: mark for hour, mark in (seen.fingerprints | now).items() if hour in kept}
    register.note(work.spark, lake, Sweep(event.name, fingerprints=prints))


def _rows(work: Work, table: Table, seen: Sweep | None) -> Iterator[Action]:
    version, table_id = delta.identity(work.spark, work.uri(table))
    known = seen is not None and seen.table_id == table_id and seen.version <= version
    if known and seen and seen.version == version:
        return
    hours = _published_since(work, table, seen.version, version) if known and seen else None
    what = "all rows" if hours is None else f"{len(hours)} hours"
    sweep = Sweep(table.name, table_id, version)
    yield Action(
        STEP, table.name, f"{what} to look through for erased people", partial(_clean, work, table, hours, sweep)
    )


def _published_since(work: Work, table: Table, after: int, version: int) -> list[datetime] | None:
    """Hours that versions after one have files of; None where the log does not say: then it may be any."""
    if not table.hour:
        return None
    wanted = [f"{work.uri(table)}/_delta_log/{number:020d}.json" for number in range(after + 1, version + 1)]
    if not all(files.exists(work.spark, uri) for uri in wanted):
        return None
    commits = work.spark.read.schema(COMMITS).json(wanted).where("add IS NOT NULL")
    values = commits.select(F.col("add.partitionValues")[table.hour]).distinct().collect()
    return sorted(checksums.as_hour(datetime.fromisoformat(row[0]).replace(tzinfo=UTC)) for row in values)


def _clean(work: Work, table: Table, hours: list[datetime] | None, sweep: Sweep) -> None:
    rows = delta.read(work.spark, work.uri(table))
    _erase(work, table, rows if hours is None else rows.where(in_hours(table, hours)), _list(work))
    register.note(work.spark, files.absolute(work.settings.lake), sweep)


def _erase(work: Work, table: Table, rows: DataFrame, listed: Suppressed) -> None:
    """Take erased people whom some rows name out of a table."""
    for role in rules.roles(table):
        suppressed = listed.of(role)
        said = suppression.ids(rows, role)
        people = suppressed.among(said).ids if said is not None else []
        assert suppressed.secret
        for group in _groups(people):
            tables.erase(work, table, group, suppressed, register.mark(suppressed.secret, role, group))
        if people:
            disk.purge(work, table, role, _groups(people))


def _groups(people: list[int]) -> list[Sequence[int]]:
    return [people[i : i + driver.AT_ONCE] for i in range(0, len(people), driver.AT_ONCE)]


def finish(work: Work, receipt: dict[str, object]) -> None:
    """Look through everything again, and complete a receipt when nothing is left to be looked at."""
    spark, lake, listed = work.spark, files.absolute(work.settings.lake), _list(work)
    left = driver.broken(work)
    for role in ROLES:
        suppressed = listed.of(role)
        _, unread = driver.look_through(work, suppressed, left)
        left += [f"landed file {name}" for name in unread]
        _, elsewhere = mails.remove(spark, work.settings, role, partial(_erased, spark, suppressed), set())
        left += elsewhere
    for table in there(work):
        if rules.roles(table):
            _erase(work, table, delta.read(spark, work.uri(table)), listed)
            left += _waiting(work, table, listed)
    disk.batches(work, listed)
    if not left:
        now = datetime.now(UTC).isoformat()
        register.write(spark, lake, receipt | {"complete": True, "incomplete": [], "unread": [], "at": now})


def _waiting(work: Work, table: Table, listed: Suppressed) -> list[str]:
    """Old files that hold erased people go; those that a run may be about to publish wait."""
    found = remains.find(work.spark, work.uri(table))
    wait = []
    for role in rules.roles(table) if found else ():
        said = suppression.ids(disk.rows_of(work.spark, table, role, found), role)
        people = listed.of(role).among(said).ids if said is not None else []
        done = disk.purge(work, table, role, _groups(people)) if people else {}
        if "files_waiting" in done:
            wait.append(f"{table.name}: files wait until {done['gone_at']}")
    return wait


def _erased(spark: SparkSession, suppressed: Suppressed, numbers: set[int]) -> set[int]:
    small = [(number,) for number in numbers if -(2**63) <= number < 2**63]
    return set(suppressed.among(spark.createDataFrame(small, "id BIGINT")).ids) if small else set()
