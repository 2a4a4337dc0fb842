"""Keeps `dq_result` small: removes results past their time, and compacts the files of many runs to one per day."""

from __future__ import annotations

from collections.abc import Iterator

from etl.engine.delta import tables as delta
from etl.engine.spark import files
from etl.engine.state import results_table
from etl.operations.retention.action import Action
from etl.operations.retention.window import DAY, Window

STEP = "results"


def plan(window: Window) -> Iterator[Action]:
    """Yield an action for the days past conf's `results_days`, and one when the table has many files."""
    spark, settings = window.context.spark, window.context.settings
    lake = files.absolute(settings.lake)
    uri, before = results_table.uri(lake), (window.today - settings.maintenance.results_days * DAY).date()
    if not delta.is_table(spark, uri):
        return
    days = [day for day in delta.partitions(spark, uri, "day") if day < before.isoformat()]
    if days:
        what = f"{len(days)} days before {before} removed"
        yield Action(STEP, results_table.NAME, what, lambda: results_table.remove_before(spark, lake, before))
    if (count := delta.number_of_files(spark, uri)) > results_table.MAX_FILES:
        yield Action(STEP, results_table.NAME, f"{count} files compacted", lambda: results_table.compact(spark, lake))
