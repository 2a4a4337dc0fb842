"""Staged hours against live ones: rows, checksums and the sum of every measure, by table-hour."""

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
from etl.engine.jobs.run_context import in_hours
from etl.model.contract import Table
from etl.operations.backfill.staging import Staging

SCHEMA = (
    "table_name STRING, hour TIMESTAMP, live_rows BIGINT, staged_rows BIGINT, live_checksum STRING, "
    "staged_checksum STRING, measures MAP<STRING, STRUCT<live: DOUBLE, staged: DOUBLE>>"
)
_NUMBERS = ("SMALLINT", "INT", "BIGINT", "DECIMAL", "DOUBLE")
_IDENTIFIERS = ("_id", "_sk")
_SKETCHES: dict[str, Callable[[str], Column]] = {  # by the ending of the column's name: one number each
    "_hll": lambda name: F.hll_sketch_estimate(F.hll_union_agg(name)),
    "_kll": lambda name: F.sum(F.kll_sketch_get_n_bigint(name)),
}


@dataclass(frozen=True)
class HourDiff:
    """A table-hour before and after. measures: name -> (live, staged), `rows` among them."""

    table: str
    hour: datetime
    live: Content
    staged: Content
    measures: dict[str, tuple[float, float]]

    @property
    def changed(self) -> bool:
        return self.live != self.staged

    def over(self, budget: float) -> dict[str, float]:
        """Measures that change by more than a share of what they were. An hour that was not there has none."""
        counts = self.changed and self.live.rows
        shares = {name: change(*pair) for name, pair in self.measures.items()} if counts else {}
        return {name: share for name, share in shares.items() if share > budget}

    def as_json(self, budget: float) -> dict[str, Any]:
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
    """Share of what it was that a measure changes by; from nothing to something is all of it."""
    if live == staged:
        return 0.0
    return abs(staged - live) / abs(live) if live else 1.0


def measures(table: Table) -> dict[str, Column]:
    """What of a table can be summed: numbers that are no identifiers, flags counted, sketches as one number each."""
    found: dict[str, Column] = {}
    for column in table.columns:
        kind = column.type.split("(")[0]
        if column.name in (*table.key, *table.partition) or column.name.endswith(_IDENTIFIERS):
            continue
        if kind in _NUMBERS:
            found[column.name] = F.sum(column.name)
        elif kind == "BOOLEAN":
            found[column.name] = F.count_if(column.name)
        elif kind == "BINARY":
            found[column.name] = _SKETCHES[column.name[-4:]](column.name)
    return {name: F.coalesce(made.cast("double"), F.lit(0.0)) for name, made in found.items()}


def _summed(rows: DataFrame, table: Table) -> dict[datetime, dict[str, float]]:
    totals = [F.count("*").cast("double").alias("rows"), *[m.alias(n) for n, m in measures(table).items()]]
    found = rows.groupBy(F.col(table.hour).alias("_hour")).agg(*totals).collect()
    return {checksums.as_hour(r["_hour"]): {k: v for k, v in r.asDict().items() if k != "_hour"} for r in found}


def compare(staging: Staging, table: Table, hours: list[datetime]) -> list[HourDiff]:
    """Staged hours of a table against the live ones."""
    if not hours:
        return []
    wanted = in_hours(table, hours)
    live = delta.read(staging.spark, staging.live.uri(table)).where(wanted)
    staged = delta.read(staging.spark, staging.uri(table)).where(wanted)
    contents = [checksums.by_hour(rows, table) for rows in (live, staged)]
    sums = [_summed(rows, table) for rows in (live, staged)]
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


def _stored_at(lake: str) -> str:
    return f"{lake}/_comparison"


def stored(spark: SparkSession, lake: str) -> dict[tuple[str, datetime], HourDiff]:
    """The last comparison of a staging lake by table and hour; empty when nothing has been staged yet."""
    if not delta.is_table(spark, _stored_at(lake)):
        return {}
    found = [_from_row(r.asDict(recursive=True)) for r in delta.read(spark, _stored_at(lake)).collect()]
    return {(d.table, d.hour): d for d in found}


def renew(staging: Staging) -> dict[tuple[str, datetime], HourDiff]:
    """Compare every hour not yet switched over and keep the result; hours switched over keep theirs."""
    found = stored(staging.spark, staging.settings.lake)
    for table in staging.tables():
        fresh = compare(staging, table, staging.waiting(table))
        found |= {(d.table, d.hour): d for d in fresh}
    frame = staging.spark.createDataFrame([_to_row(d) for d in found.values()], SCHEMA).coalesce(1)
    uri = _stored_at(staging.settings.lake)
    with delta.commit_metadata(staging.spark, uri, staging.backfill.id):
        frame.write.format("delta").mode("overwrite").save(uri)
    return found


def _to_row(d: HourDiff) -> tuple[Any, ...]:
    return d.table, d.hour, d.live.rows, d.staged.rows, d.live.checksum, d.staged.checksum, d.measures


def _from_row(row: dict[str, Any]) -> HourDiff:
    before, after = (
        Content.of({"row_count": row[f"{side}_rows"], "checksum": row[f"{side}_checksum"]})
        for side in ("live", "staged")
    )
    pairs = {name: (pair["live"], pair["staged"]) for name, pair in row["measures"].items()}
    return HourDiff(row["table_name"], checksums.as_hour(row["hour"]), before, after, pairs)


def in_order(found: dict[tuple[str, datetime], HourDiff]) -> list[HourDiff]:
    """As data flows, then by hour."""
    order = list(catalog.entries())
    return sorted(found.values(), key=lambda d: (order.index(d.table), d.hour))
