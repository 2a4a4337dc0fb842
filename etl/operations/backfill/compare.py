"""Compares staged hours with live ones, by table and hour: rows, checksums and the sum of every measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.checksums import Content
from etl.engine.delta.partitions import in_hours
from etl.model.contract import Table
from etl.operations.backfill.staging import Staging

SCHEMA = (
    "table_name STRING, hour TIMESTAMP, live_rows BIGINT, staged_rows BIGINT, live_checksum STRING, "
    "staged_checksum STRING, measures MAP<STRING, STRUCT<live: DOUBLE, staged: DOUBLE>>"
)
_NUMBERS = ("SMALLINT", "INT", "BIGINT", "DECIMAL", "DOUBLE")
_IDENTIFIERS = ("_id", "_sk")
_SKETCHES: dict[str, Callable[[str], Column]] = {  # suffix of a sketch column's name -> one number per sketch
    "_hll": lambda name: F.hll_sketch_estimate(F.hll_union_agg(name)),
    "_kll": lambda name: F.sum(F.kll_sketch_get_n_bigint(name)),
}


@dataclass(frozen=True)
class HourDiff:
    """One hour of a table before and after a backfill.

    `measures`: name of a measure -> (live value, staged value). `rows` is one of the measures.
    """

    table: str
    hour: datetime
    live: Content
    staged: Content
    measures: dict[str, tuple[float, float]]

    @property
    def changed(self) -> bool:
        """Whether staged rows differ from live rows."""
        return self.live != self.staged

    def over(self, budget: float) -> dict[str, float]:
        """Return the relative change of each measure that changes by more than `budget` (0.001 is 0.1 %).

        The result is empty for an hour that has no live rows.
        """
        if not self.changed or not self.live.rows:
            return {}
        changes = {name: change(*pair) for name, pair in self.measures.items()}
        return {name: share for name, share in changes.items() if share > budget}

    def as_json(self, budget: float) -> dict[str, Any]:
        """Return the comparison as `backfill diff --json` prints it."""
        return {
            "table": self.table,
            "hour": self.hour.isoformat(),
            "changed": self.changed,
            "live_checksum": self.live.checksum,
            "staged_checksum": self.staged.checksum,
            "measures": {n: {"live": a, "staged": b, "change": change(a, b)} for n, (a, b) in self.measures.items()},
            "over_budget": sorted(self.over(budget)),
        }


def change(live: float, staged: float) -> float:
    """Return the relative change of a measure, |staged - live| / |live|. A change from zero is 1.0."""
    if live == staged:
        return 0.0
    return abs(staged - live) / abs(live) if live else 1.0


def measures(table: Table) -> dict[str, Column]:
    """Return an aggregate (DOUBLE) for each column that can be summed.

    Numbers are summed, except identifiers. Flags are counted where they are true. Each sketch gives one number.
    """
    aggregates: dict[str, Column] = {}
    for column in table.columns:
        kind = column.type.split("(")[0]
        if column.name in (*table.key, *table.partition) or column.name.endswith(_IDENTIFIERS):
            continue
        if kind in _NUMBERS:
            aggregates[column.name] = F.sum(column.name)
        elif kind == "BOOLEAN":
            aggregates[column.name] = F.count_if(column.name)
        elif kind == "BINARY":
            aggregates[column.name] = _SKETCHES[column.name[-4:]](column.name)
    return {name: F.coalesce(column.cast("double"), F.lit(0.0)) for name, column in aggregates.items()}


def _sums_by_hour(rows: DataFrame, table: Table) -> dict[datetime, dict[str, float]]:
    totals = [F.count("*").cast("double").alias("rows"), *[m.alias(n) for n, m in measures(table).items()]]
    sums = rows.groupBy(F.col(table.hour).alias("_hour")).agg(*totals).collect()
    return {checksums.as_hour(r["_hour"]): {k: v for k, v in r.asDict().items() if k != "_hour"} for r in sums}


def compare(staging: Staging, table: Table, hours: list[datetime]) -> list[HourDiff]:
    """Compare staged hours of a table with the live ones."""
    if not hours:
        return []
    wanted = in_hours(table, hours)
    live = delta.read(staging.spark, staging.live.uri(table)).where(wanted)
    staged = delta.read(staging.spark, staging.uri(table)).where(wanted)
    contents = [checksums.by_hour(rows, table) for rows in (live, staged)]
    sums = [_sums_by_hour(rows, table) for rows in (live, staged)]
    names = ["rows", *measures(table)]
    return [
        HourDiff(
            table.name,
            hour,
            contents[0].get(hour, Content()),
            contents[1].get(hour, Content()),
            {n: (sums[0].get(hour, {}).get(n, 0.0), sums[1].get(hour, {}).get(n, 0.0)) for n in names},
        )
        for hour in hours
    ]


def _comparison_uri(lake: str) -> str:
    return f"{lake}/_comparison"


def stored(spark: SparkSession, lake: str) -> dict[tuple[str, datetime], HourDiff]:
    """Return the last comparison of a staging lake, by table and hour. It is empty when nothing was staged yet."""
    uri = _comparison_uri(lake)
    if not delta.is_table(spark, uri):
        return {}
    diffs = [_from_row(r.asDict(recursive=True)) for r in delta.read(spark, uri).collect()]
    return {(d.table, d.hour): d for d in diffs}


def renew(staging: Staging) -> dict[tuple[str, datetime], HourDiff]:
    """Compare every hour that is not switched over yet and store the result.

    Hours that are switched over keep their last comparison.
    """
    diffs = stored(staging.spark, staging.settings.lake)
    for table in staging.tables():
        new_diffs = compare(staging, table, staging.waiting(table))
        diffs |= {(d.table, d.hour): d for d in new_diffs}
    frame = staging.spark.createDataFrame([_to_row(d) for d in diffs.values()], SCHEMA).coalesce(1)
    uri = _comparison_uri(staging.settings.lake)
    with delta.commit_metadata(staging.spark, uri, staging.backfill.id):
        frame.write.format("delta").mode("overwrite").save(uri)
    return diffs


def _to_row(d: HourDiff) -> tuple[Any, ...]:
    return d.table, d.hour, d.live.rows, d.staged.rows, d.live.checksum, d.staged.checksum, d.measures


def _from_row(row: dict[str, Any]) -> HourDiff:
    live, staged = (
        Content.of({"row_count": row[f"{side}_rows"], "checksum": row[f"{side}_checksum"]})
        for side in ("live", "staged")
    )
    pairs = {name: (pair["live"], pair["staged"]) for name, pair in row["measures"].items()}
    return HourDiff(row["table_name"], checksums.as_hour(row["hour"]), live, staged, pairs)


def in_order(diffs: dict[tuple[str, datetime], HourDiff]) -> list[HourDiff]:
    """Return comparisons in the order of the lineage (inputs before outputs), then by hour."""
    order = list(catalog.entries())
    return sorted(diffs.values(), key=lambda d: (order.index(d.table), d.hour))
