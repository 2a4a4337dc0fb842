"""Erases people again from what arrived since the last sweep: landed files, rows, and rejected batches.

A run replaces the ids of erased people as it reads landed files, so tables get replacement ids. The files still name
the people until a sweep rewrites them. A run that read its files before an erasure may publish after it. So the sweep
checks all versions of a table since the last sweep, and does not rely on the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.partitions import in_hours
from etl.engine.jobs.run_context import RunContext
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
from etl.operations.retention.window import tables as existing_tables

STEP = "erasure"
COMMITS = "add STRUCT<partitionValues: MAP<STRING, STRING>>"


def plan(window: Window) -> Iterator[Action]:
    """Yield an action for each event and table that changed since the last sweep. None while nobody was erased."""
    context, lake = window.context, files.absolute(window.context.settings.lake)
    if suppression.exists_on_disk(context.spark, suppression.former_list_uri(lake)):
        what = "the list of erased people is converted to keyed digests"
        yield Action(STEP, "_erasure", what, partial(register.convert, context.spark, lake))
    if suppression.load(context.spark, lake) is None:
        return
    existing, sweeps = existing_tables(context), register.sweeps(context.spark, lake)
    yield from _plan_landed_files(context, existing, sweeps)
    for table in existing:
        if rules.roles(table):
            yield from _plan_rows(context, table, sweeps.get(table.name))
    rejected = files.list_folders(context.spark, f"{lake}/_rejected")
    if rejected:
        what = f"rejected batches of {len(rejected)} tables to search for erased people"
        yield Action(STEP, "_rejected", what, lambda: disk.remove_batches(context, _erased_people(context)))
    for receipt in register.open_receipts(context.spark, lake):
        what = f"{receipt['id']} is not complete: {'; '.join(receipt.get('incomplete') or ['see its receipt'])}"
        yield Action(STEP, "_erasure", what, partial(finish, context, receipt))


def _plan_landed_files(context: RunContext, existing: list[Table], sweeps: dict[str, Sweep]) -> Iterator[Action]:
    not_owner = owner.refusal(context.spark, context.settings)
    if not_owner:
        yield Action(STEP, "landing", f"landed files stay: {not_owner}")
        return
    for table, event in landed.events(*ROLES):
        hours = _new_hours(context, event, sweeps.get(event.name)) if table in existing else []
        if hours:
            what = f"{len(hours)} landed hours to search for erased people"
            yield Action(STEP, event.name, what, partial(_sweep_landed, context, table, event, hours))


def _erased_people(context: RunContext) -> SuppressionList:
    found = suppression.load(context.spark, files.absolute(context.settings.lake))
    assert found
    return found


def _new_hours(context: RunContext, event: Event, last: Sweep | None) -> list[datetime]:
    """Return the landed hours whose files changed since the last sweep."""
    parts = landing.listing(context.spark, context.settings, event, landed_hours(context, event))
    swept = last.fingerprints if last else {}
    return [p.hour for p in parts if p.files and swept.get(p.hour.isoformat()) != p.fingerprint]


def _sweep_landed(context: RunContext, table: Table, event: Event, hours: list[datetime]) -> None:
    """Erase people from landed hours. The next sweep processes files that land meanwhile."""
    lake = files.absolute(context.settings.lake)
    erased_people = _erased_people(context)
    for role in landed.roles(event):
        cleaned = landed.clean(context, table, erased_people.for_role(role), hours)
    last = register.sweeps(context.spark, lake).get(event.name, Sweep(event.name))
    new = {hour.isoformat(): fingerprint for hour, fingerprint in cleaned.fingerprints.items()}
    kept = {hour.isoformat() for hour in landed_hours(context, event)}
    prints = {hour: fingerprint for hour, fingerprint in (last.fingerprints | new).items() if hour in kept}
    register.record_sweep(context.spark, lake, Sweep(event.name, fingerprints=prints))


def _plan_rows(context: RunContext, table: Table, last: Sweep | None) -> Iterator[Action]:
    version, table_id = delta.identity(context.spark, context.uri(table))
    if last is not None and (last.table_id != table_id or last.version > version):
        last = None  # the table was created again
    if last is not None and last.version == version:
        return
    hours = None if last is None else _published_since(context, table, last.version, version)
    what = "all rows" if hours is None else f"{len(hours)} hours"
    sweep = Sweep(table.name, table_id, version)
    action = partial(_sweep_rows, context, table, hours, sweep)
    yield Action(STEP, table.name, f"{what} to search for erased people", action)


def _published_since(context: RunContext, table: Table, after: int, version: int) -> list[datetime] | None:
    """Return the hours to which versions after `after` add files. None, for any hour, when the log lacks a version."""
    if not table.hour:
        return None
    wanted = [f"{context.uri(table)}/_delta_log/{number:020d}.json" for number in range(after + 1, version + 1)]
    if not all(files.exists(context.spark, uri) for uri in wanted):
        return None
    commits = context.spark.read.schema(COMMITS).json(wanted).where("add IS NOT NULL")
    values = commits.select(F.col("add.partitionValues")[table.hour]).distinct().collect()
    return sorted(checksums.as_hour(datetime.fromisoformat(row[0]).replace(tzinfo=UTC)) for row in values)


def _sweep_rows(context: RunContext, table: Table, hours: list[datetime] | None, sweep: Sweep) -> None:
    rows = delta.read(context.spark, context.uri(table))
    _erase(context, table, rows if hours is None else rows.where(in_hours(table, hours)), _erased_people(context))
    register.record_sweep(context.spark, files.absolute(context.settings.lake), sweep)


def _erase(context: RunContext, table: Table, rows: DataFrame, erased_people: SuppressionList) -> None:
    """Erase from a table, and from its orphan files, the erased people whom these rows name."""
    for role in rules.roles(table):
        suppressed = erased_people.for_role(role)
        people = _named_people(rows, suppressed)
        assert suppressed.secret
        for group in _groups(people):
            tables.erase(context, table, group, suppressed, register.people_digest(suppressed.secret, role, group))
        if people:
            disk.purge(context, table, role, _groups(people))


def _named_people(rows: DataFrame, suppressed: SuppressionList) -> list[int]:
    """Return the erased people whom rows name."""
    ids = suppression.ids(rows, suppressed.role)
    return suppressed.erased_among(ids).ids if ids is not None else []


def _groups(people: list[int]) -> list[Sequence[int]]:
    return [people[i : i + driver.AT_ONCE] for i in range(0, len(people), driver.AT_ONCE)]


def finish(context: RunContext, receipt: dict[str, object]) -> None:
    """Search everything for erased people again. Mark a receipt as complete when everything could be searched."""
    spark, lake, erased_people = context.spark, files.absolute(context.settings.lake), _erased_people(context)
    left = driver.broken_tables(context)
    for role in ROLES:
        suppressed = erased_people.for_role(role)
        _, unread = driver.clean_landing(context, suppressed, left)
        left += [f"landed file {name}" for name in unread]
        _, elsewhere = mails.remove(spark, context.settings, role, partial(_erased_among, spark, suppressed), set())
        left += elsewhere
    for table in existing_tables(context):
        if rules.roles(table):
            _erase(context, table, delta.read(spark, context.uri(table)), erased_people)
            left += _purge(context, table, erased_people)
    disk.remove_batches(context, erased_people)
    if not left:
        now = datetime.now(UTC).isoformat()
        register.write(spark, lake, receipt | {"complete": True, "incomplete": [], "unread": [], "at": now})


def _purge(context: RunContext, table: Table, erased_people: SuppressionList) -> list[str]:
    """Remove orphan files that hold erased people. Returns a line for files that a run may need, which must wait."""
    orphans = orphan_files.find(context.spark, context.uri(table))
    waiting = []
    for role in rules.roles(table) if orphans else ():
        rows = disk.rows_of(context.spark, table, role, orphans)
        people = _named_people(rows, erased_people.for_role(role))
        done = disk.purge(context, table, role, _groups(people)) if people else {}
        if "files_waiting" in done:
            waiting.append(f"{table.name}: files wait until {done['gone_at']}")
    return waiting


def _erased_among(spark: SparkSession, suppressed: SuppressionList, numbers: set[int]) -> set[int]:
    bigints = [(number,) for number in numbers if -(2**63) <= number < 2**63]
    return set(suppressed.erased_among(spark.createDataFrame(bigints, "id BIGINT")).ids) if bigints else set()
