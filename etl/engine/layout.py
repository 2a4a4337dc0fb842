"""How rows of a batch are spread over files: by hour, then by the cluster columns, in even ranges.

The ranges end in the row's own key, so one hot viewer or post is split over tasks like any other rows: the salt
is the key itself.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from etl.contract import Table


def spread(rows: DataFrame, table: Table, hours: int) -> DataFrame:
    """Rows in ranges of hour and cluster columns; no task mixes far-apart viewers. Not sorted within a range.

    At most as many ranges as the session has tasks of a shuffle, but one for each of many hours.
    """
    tasks = int(rows.sparkSession.conf.get("spark.sql.shuffle.partitions") or 1)
    if 1 < tasks < hours:
        return rows.repartitionByRange(hours, table.hour, *table.cluster)
    return rows.repartitionByRange(table.hour, *table.cluster)


def in_order(rows: DataFrame, table: Table) -> DataFrame:
    """Rows of each task by the cluster columns, as they lie in files.

    Not by hour first: a sort compares whole rows wherever its first column is the same, which an hour nearly always is.
    A task writes its hours side by side instead (`maxConcurrentOutputFileWriters`).
    """
    return rows.sortWithinPartitions(*table.cluster) if table.cluster else rows


def lay_out(rows: DataFrame, table: Table, hours: int) -> DataFrame:
    """Rows as they lie in files: spread, and sorted within a file."""
    return in_order(spread(rows, table, hours), table)
