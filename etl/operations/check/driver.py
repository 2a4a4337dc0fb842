"""Checks a lake, table by table. With `repair`, it repairs what it can, or plans to rebuild it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.delta.listing import cached_listing
from etl.engine.jobs import ddl, runner
from etl.engine.jobs.recovery import is_new, recover
from etl.engine.jobs.run_context import RunContext
from etl.engine.spark import files
from etl.engine.state import restores
from etl.engine.state.ledger import Ledger
from etl.errors import LakeError, first_line
from etl.model.contract import Table
from etl.operations.check import contents, landed, logs, rebuild, repair
from etl.operations.check.finding import Finding

Show = Callable[[Finding, str], None]


def check(
    spark: SparkSession,
    settings: Settings,
    deep: bool = False,
    apply_repair: bool = False,
    show: Show = lambda _finding, _done: None,
) -> list[tuple[Finding, str]]:
    """Return each finding, with what the repair did about it ("" when nothing).

    Without `apply_repair` nothing is written. Raises LakeError when there is no lake.
    """
    delta.forget_snapshots(spark)
    lake, findings = files.absolute(settings.lake), []
    present = [t for t in catalog.tables() if files.exists(spark, f"{lake}/{t.path}/_delta_log")]
    if not present and not files.exists(spark, f"{lake}/_ledger"):
        raise LakeError(f"There is no lake at {lake} yet. Run `feed-etl run` first.")
    restores.refuse_unfinished(spark, lake)
    for finding, done in _check_all(spark, settings, present, deep, apply_repair):
        show(finding, done)
        findings.append((finding, done))
    return findings


def _check_all(
    spark: SparkSession, settings: Settings, present: list[Table], deep: bool, apply_repair: bool
) -> Iterator[tuple[Finding, str]]:
    lake = files.absolute(settings.lake)
    broken_logs = {t.name: findings for t in present if (findings := logs.check(spark, t.name, f"{lake}/{t.path}"))}
    for findings in broken_logs.values():
        yield from ((finding, "") for finding in findings)
    readable = [t for t in present if t.name not in broken_logs]
    lost = lost_ledger(spark, lake)
    if lost and not apply_repair:
        yield lost, ""
        return
    if lost:
        yield lost, rebuild.rebuild(spark, settings, readable)
    context = _context(spark, settings)
    yield from _missing_tables(context, present)
    for table in readable:
        yield from _check_table(context, table, deep, apply_repair)
    yield from _check_landed(context, [t for t in readable if t.event], apply_repair)
    if apply_repair:
        context.ledger.flush()


def lost_ledger(spark: SparkSession, lake: str) -> Finding | None:
    """Return a finding when the ledger does not exist or cannot be read."""
    uri = f"{lake}/_ledger"
    if not files.exists(spark, f"{uri}/_delta_log"):
        return Finding("lost_ledger", "_ledger", f"it does not exist: {uri}", next=REBUILD_LEDGER)
    if findings := logs.check(spark, "_ledger", uri):
        what = "; ".join(finding.what for finding in findings)
        return Finding("lost_ledger", "_ledger", what, next=REBUILD_LEDGER)
    try:
        _ = Ledger(spark, lake).entries
    except (Py4JJavaError, PySparkException) as error:
        return Finding("lost_ledger", "_ledger", f"it cannot be read: {first_line(error)}", next=REBUILD_LEDGER)
    return None


REBUILD_LEDGER = "Run `feed-etl check --repair`, which rebuilds it from the tables"


def _context(spark: SparkSession, settings: Settings) -> RunContext:
    ledger = Ledger(spark, files.absolute(settings.lake))
    return RunContext(spark, settings, ledger, f"check-{runner.new_run_id()}", cached_listing(spark))


def _missing_tables(context: RunContext, present: list[Table]) -> Iterator[tuple[Finding, str]]:
    """Yield tables that have ledger rows and do not exist, with a note when the catalog does not define them."""
    names = {t.name for t in present}
    for name in sorted({e.table_name for e in context.ledger.entries if e.output_version} - names):
        if name not in catalog.entries():
            what = "the ledger has rows of it, and the catalog does not define it"
            yield Finding("lost_table", name, what, is_note=True), ""
        else:
            hours = [h for h, state in context.ledger.state(name).items() if state["row_count"]]
            what = "the ledger has rows of it, and the table does not exist"
            yield Finding("lost_table", name, what, tuple(sorted(hours)), f"Run `feed-etl run --table {name}`"), ""


def _check_table(context: RunContext, table: Table, deep: bool, apply_repair: bool) -> Iterator[tuple[Finding, str]]:
    """Yield the findings of one table. Recovery adds rows to the ledger in memory; only a repair writes them."""
    entries_before = len(context.ledger.entries)
    try:
        new = is_new(context, table)
        recover(context, table)
    except LakeError as error:
        finding = Finding("lost_commits", table.name, str(error).split(". Run")[0], next=contents.REBUILD)
        yield finding, repair.reconcile(context, table) if apply_repair else ""
        if not apply_repair:
            return
        new = False
    if new:
        yield Finding("new_table", table.name, "it was created again; its next run rebuilds its hours"), ""
        return
    if recovered := len(context.ledger.entries) - entries_before:
        what = f"{recovered} publishes are in its commits and not in the ledger"
        yield Finding("unrecorded", table.name, f"{what}; the next run records them", is_note=True), ""
    if differs := any(change.blocks for change in ddl.changes(context.spark, table, context.uri(table))):
        what = "it differs from its contract, so only its files and counts are compared"
        yield Finding("contract", table.name, what, next="Run `feed-etl migrate`", is_note=True), ""
    for finding in contents.check(context, table, deep and not differs):
        yield finding, repair.repair(context, table, finding, deep) if apply_repair else ""


def _check_landed(context: RunContext, tables: list[Table], apply_repair: bool) -> Iterator[tuple[Finding, str]]:
    """Yield the findings in the landed files of tables."""
    if tables and (no_zone := landed.check_zone(context)):
        yield no_zone, ""
        return
    for table in tables:
        for finding in landed.check(context, table):
            yield finding, repair.accept_loss(context, table, finding) if apply_repair else ""
