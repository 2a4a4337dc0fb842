"""How rows of a batch are spread over files: by hour, then by the cluster columns, in even ranges.

The ranges end in the row's own key, so one hot viewer or post is split over tasks like any other rows: the salt
is the key itself.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from etl.contract import Table


def order(table: Table) -> list[str]:
    """What rows lie by in a table's files."""
    return [table.hour, *table.cluster]


def spread(rows: DataFrame, table: Table, hours: int) -> DataFrame:
    """Rows in ranges of hour and cluster columns; no task mixes far-apart viewers. Not sorted within a range.

    At most as many ranges as the session has tasks of a shuffle, but one for each of many hours.
    """
    tasks = int(rows.sparkSession.conf.get("spark.sql.shuffle.partitions") or 1)
    if 1 < tasks < hours:
        return rows.repartitionByRange(hours, *order(table))
    return rows.repartitionByRange(*order(table))


def lay_out(rows: DataFrame, table: Table, hours: int) -> DataFrame:
    """Rows as they lie in files: spread, and sorted within a file."""
    return spread(rows, table, hours).sortWithinPartitions(*order(table))
