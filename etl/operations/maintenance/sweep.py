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
from etl.engine.jobs.run_context import RunContext, in_hours
from etl.engine.landing import owner
from etl.engine.landing import reader as landing
from etl.engine.people import suppression
from etl.engine.people.suppression import SuppressionList
from etl.engine.spark import files
from etl.model.contract import Event, Table
from etl.model.privacy import ROLES
from etl.operations.erasure import disk, driver, landed, mails, register, rules, tables
from etl.operations.erasure.register import Sweep
from etl.operations.retention import orphan_files
from etl.operations.retention.action import Action
from etl.operations.retention.landing import landed_hours
from etl.operations.retention.window import Window
from etl.operations.retention.window import tables as there

STEP = "erasure"
COMMITS = "add STRUCT<partitionValues: MAP<STRING, STRING>>"


def plan(window: Window) -> Iterator[Action]:
    """An action for each event and table that changed since the last look; none while nobody was erased."""
    context, lake = window.context, files.absolute(window.context.settings.lake)
    if suppression.exists_on_disk(context.spark, suppression.former_list_uri(lake)):
        what = "the list of erased people is put under a key"
        yield Action(STEP, "_erasure", what, partial(register.convert, context.spark, lake))
    if suppression.load(context.spark, lake) is None:
        return
    present, seen = there(context), register.sweeps(context.spark, lake)
    not_ours = owner.refusal(context.spark, context.settings)
    if not_ours:
        yield Action(STEP, "landing", f"landed files stay: {not_ours}")
    for table, event in [] if not_ours else landed.events(*ROLES):
        new = _new_hours(context, event, seen.get(event.name)) if table in present else {}
        if new:
            what = f"{len(new)} landed hours to look through for erased people"
            yield Action(STEP, event.name, what, partial(_look, context, table, event, list(new)))
    for table in present:
        yield from _rows(context, table, seen.get(table.name)) if rules.roles(table) else ()
    refused = files.list_folders(context.spark, f"{lake}/_rejected")
    if refused:
        what = f"refused batches of {len(refused)} tables to look through for erased people"
        yield Action(STEP, "_rejected", what, lambda: disk.batches(context, _list(context)))
    for receipt in register.open_receipts(context.spark, lake):
        what = f"{receipt['id']} is not complete: {'; '.join(receipt.get('incomplete') or ['see its receipt'])}"
        yield Action(STEP, "_erasure", what, partial(finish, context, receipt))


def _list(context: RunContext) -> SuppressionList:
    found = suppression.load(context.spark, files.absolute(context.settings.lake))
    assert found
    return found


def _new_hours(context: RunContext, event: Event, seen: Sweep | None) -> dict[datetime, str]:
    """Landed hours whose files are not those that were looked through, with their fingerprints."""
    parts = landing.listing(context.spark, context.settings, event, landed_hours(context, event))
    known = seen.fingerprints if seen else {}
    return {p.hour: p.fingerprint for p in parts if p.files and known.get(p.hour.isoformat()) != p.fingerprint}


def _look(context: RunContext, table: Table, event: Event, hours: list[datetime]) -> None:
    """Look through landed hours. What lands in one meanwhile is looked at next time."""
    lake = files.absolute(context.settings.lake)
    listed = _list(context)
    for role in landed.roles(event):
        clean = landed.clean(context, table, listed.for_role(role), hours)
    seen = register.sweeps(context.spark, lake).get(event.name, Sweep(event.name))
    now = {hour.isoformat(): mark for hour, mark in clean.fingerprints.items()}
    kept = {hour.isoformat() for hour in landed_hours(context, event)}
    prints = {hour: mark for hour, mark in (seen.fingerprints | now).items() if hour in kept}
    register.note(context.spark, lake, Sweep(event.name, fingerprints=prints))


def _rows(context: RunContext, table: Table, seen: Sweep | None) -> Iterator[Action]:
    version, table_id = delta.identity(context.spark, context.uri(table))
    known = seen is not None and seen.table_id == table_id and seen.version <= version
    if known and seen and seen.version == version:
        return
    hours = _published_since(context, table, seen.version, version) if known and seen else None
    what = "all rows" if hours is None else f"{len(hours)} hours"
    sweep = Sweep(table.name, table_id, version)
    yield Action(
        STEP, table.name, f"{what} to look through for erased people", partial(_clean, context, table, hours, sweep)
    )


def _published_since(context: RunContext, table: Table, after: int, version: int) -> list[datetime] | None:
    """Hours that versions after one have files of; None where the log does not say: then it may be any."""
    if not table.hour:
        return None
    wanted = [f"{context.uri(table)}/_delta_log/{number:020d}.json" for number in range(after + 1, version + 1)]
    if not all(files.exists(context.spark, uri) for uri in wanted):
        return None
    commits = context.spark.read.schema(COMMITS).json(wanted).where("add IS NOT NULL")
    values = commits.select(F.col("add.partitionValues")[table.hour]).distinct().collect()
    return sorted(checksums.as_hour(datetime.fromisoformat(row[0]).replace(tzinfo=UTC)) for row in values)


def _clean(context: RunContext, table: Table, hours: list[datetime] | None, sweep: Sweep) -> None:
    rows = delta.read(context.spark, context.uri(table))
    _erase(context, table, rows if hours is None else rows.where(in_hours(table, hours)), _list(context))
    register.note(context.spark, files.absolute(context.settings.lake), sweep)


def _erase(context: RunContext, table: Table, rows: DataFrame, listed: SuppressionList) -> None:
    """Take erased people whom some rows name out of a table."""
    for role in rules.roles(table):
        suppressed = listed.for_role(role)
        said = suppression.ids(rows, role)
        people = suppressed.erased_among(said).ids if said is not None else []
        assert suppressed.secret
        for group in _groups(people):
            tables.erase(context, table, group, suppressed, register.mark(suppressed.secret, role, group))
        if people:
            disk.purge(context, table, role, _groups(people))


def _groups(people: list[int]) -> list[Sequence[int]]:
    return [people[i : i + driver.AT_ONCE] for i in range(0, len(people), driver.AT_ONCE)]


def finish(context: RunContext, receipt: dict[str, object]) -> None:
    """Look through everything again, and complete a receipt when nothing is left to be looked at."""
    spark, lake, listed = context.spark, files.absolute(context.settings.lake), _list(context)
    left = driver.broken(context)
    for role in ROLES:
        suppressed = listed.for_role(role)
        _, unread = driver.look_through(context, suppressed, left)
        left += [f"landed file {name}" for name in unread]
        _, elsewhere = mails.remove(spark, context.settings, role, partial(_erased, spark, suppressed), set())
        left += elsewhere
    for table in there(context):
        if rules.roles(table):
            _erase(context, table, delta.read(spark, context.uri(table)), listed)
            left += _waiting(context, table, listed)
    disk.batches(context, listed)
    if not left:
        now = datetime.now(UTC).isoformat()
        register.write(spark, lake, receipt | {"complete": True, "incomplete": [], "unread": [], "at": now})


def _waiting(context: RunContext, table: Table, listed: SuppressionList) -> list[str]:
    """Old files that hold erased people go; those that a run may be about to publish wait."""
    found = orphan_files.find(context.spark, context.uri(table))
    wait = []
    for role in rules.roles(table) if found else ():
        said = suppression.ids(disk.rows_of(context.spark, table, role, found), role)
        people = listed.for_role(role).erased_among(said).ids if said is not None else []
        done = disk.purge(context, table, role, _groups(people)) if people else {}
        if "files_waiting" in done:
            wait.append(f"{table.name}: files wait until {done['gone_at']}")
    return wait


def _erased(spark: SparkSession, suppressed: SuppressionList, numbers: set[int]) -> set[int]:
    small = [(number,) for number in numbers if -(2**63) <= number < 2**63]
    return set(suppressed.erased_among(spark.createDataFrame(small, "id BIGINT")).ids) if small else set()
