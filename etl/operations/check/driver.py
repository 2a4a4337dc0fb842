"""A check of a lake, table by table; with `repair` what can be mended is mended or planned to be made again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.recovery import is_new, recover
from etl.engine.jobs.run_context import RunContext
from etl.engine.spark import files
from etl.engine.spark.jvm import jvm
from etl.engine.state.ledger import Ledger
from etl.errors import LakeError, first_line
from etl.model.contract import Table
from etl.operations.check import contents, logs, rebuild, repair
from etl.operations.check.finding import Finding

Show = Callable[[Finding, str], None]


def check(
    spark: SparkSession,
    settings: Settings,
    deep: bool = False,
    mend: bool = False,
    show: Show = lambda _finding, _done: None,
) -> list[tuple[Finding, str]]:
    """What differs, and what a repair did about it ("" when nothing). Raises LakeError when there is no lake.

    Without `mend` nothing is written.
    """
    jvm(spark, "org.apache.spark.sql.delta.DeltaLog").clearCache()  # of this process: what is on the disk counts
    lake, found = files.absolute(settings.lake), []
    present = [t for t in catalog.tables() if files.exists(spark, f"{_uri(lake, t)}/_delta_log")]
    if not present and not files.exists(spark, f"{lake}/_ledger"):
        raise LakeError(f"There is no lake at {lake} yet. Run `feed-etl run` first.")
    for finding, done in _all(spark, settings, present, deep, mend):
        show(finding, done)
        found.append((finding, done))
    return found


def _uri(lake: str, table: Table) -> str:
    return f"{lake}/{table.layer.name.lower()}/{table.name}"


def _all(
    spark: SparkSession, settings: Settings, present: list[Table], deep: bool, mend: bool
) -> Iterator[tuple[Finding, str]]:
    lake = files.absolute(settings.lake)
    torn = {t.name: problems for t in present if (problems := logs.check(spark, t.name, _uri(lake, t)))}
    for problems in torn.values():
        yield from ((finding, "") for finding in problems)
    whole = [t for t in present if t.name not in torn]
    lost = lost_ledger(spark, lake)
    if lost and not mend:
        yield lost, ""
        return
    if lost:
        yield lost, rebuild.rebuild(spark, settings, whole)
    context = _context(spark, settings)
    yield from _gone(context, present)
    for table in whole:
        yield from _table(context, table, deep, mend)
    if mend:
        context.ledger.flush()


def lost_ledger(spark: SparkSession, lake: str) -> Finding | None:
    """A ledger that is not there or cannot be read."""
    uri = f"{lake}/_ledger"
    if not files.exists(spark, f"{uri}/_delta_log"):
        return Finding("lost_ledger", "_ledger", f"it is not there: {uri}", next=AGAIN)
    if torn := logs.check(spark, "_ledger", uri):
        return Finding("lost_ledger", "_ledger", "; ".join(one.what for one in torn), next=AGAIN)
    try:
        _ = Ledger(spark, lake).entries
    except (Py4JJavaError, PySparkException) as error:
        return Finding("lost_ledger", "_ledger", f"it cannot be read: {first_line(error)}", next=AGAIN)
    return None


AGAIN = "Run `feed-etl check --repair`, which makes it again from the tables"


def _context(spark: SparkSession, settings: Settings) -> RunContext:
    ledger = Ledger(spark, files.absolute(settings.lake))
    return RunContext(spark, settings, ledger, f"check-{runner.new_run_id()}", delta.cached_listing(spark))


def _gone(context: RunContext, present: list[Table]) -> Iterator[tuple[Finding, str]]:
    """Tables that the ledger knows and nobody has, and those that no release knows."""
    there = {t.name for t in present}
    for name in sorted({e.table_name for e in context.ledger.entries if e.output_version} - there):
        if name not in catalog.entries():
            yield Finding("lost_table", name, "the ledger has rows of it, and no module makes it", is_note=True), ""
        else:
            hours = [h for h, state in context.ledger.state(name).items() if state["row_count"]]
            what = "the ledger knows it and it is not there"
            yield Finding("lost_table", name, what, tuple(sorted(hours)), f"Run `feed-etl run --table {name}`"), ""


def _table(context: RunContext, table: Table, deep: bool, mend: bool) -> Iterator[tuple[Finding, str]]:
    """Recovery only notes what it finds; without a repair nobody writes it down."""
    known = len(context.ledger.entries)
    try:
        new = is_new(context, table)
        recover(context, table)
    except LakeError as error:
        finding = Finding("lost_commits", table.name, str(error).split(". Run")[0], next=contents.REBUILD)
        yield finding, repair.reconcile(context, table) if mend else ""
        if not mend:
            return
        new = False
    if new:
        yield Finding("new_table", table.name, "it was made anew; the next run of it makes its hours again"), ""
        return
    if recorded := len(context.ledger.entries) - known:
        what = f"{recorded} publishes are in its commits and not in the ledger"
        yield Finding("unrecorded", table.name, f"{what}; the next run writes them down", is_note=True), ""
    for finding in contents.check(context, table, deep):
        yield finding, repair.repair(context, table, finding, deep) if mend else ""
