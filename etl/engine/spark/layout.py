"""How rows of a batch are spread over files: by hour, then by the cluster columns, in even ranges.

The ranges end in the row's own key, so one hot viewer or post is split over tasks like any other rows: the salt
is the key itself.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from etl.model.contract import Table

MAX_OPEN_HOURS = 24  # hours a task writes at once, without sorting its rows by hour first


def range_partition(rows: DataFrame, table: Table, hours: int) -> DataFrame:
    """Rows in ranges of hour and cluster columns; no task mixes far-apart viewers. Not sorted within a range.

    At most as many ranges as the session has tasks of a shuffle, but one for each of many hours.
    """
    tasks = int(rows.sparkSession.conf.get("spark.sql.shuffle.partitions") or 1)
    if 1 < tasks < hours:
        return rows.repartitionByRange(hours, table.hour, *table.cluster)
    return rows.repartitionByRange(table.hour, *table.cluster)


def sort_within_tasks(rows: DataFrame, table: Table) -> DataFrame:
    """Rows of each task by the first cluster column, as they lie in files.

    One number is sorted digit by digit. With a second column, or the hour before it, rows are compared with each
    other: a third more CPU for a task that writes a fact, and files no better to look a viewer up in. A task writes its
    hours side by side instead of one after the other.
    """
    return rows.sortWithinPartitions(table.cluster[0]) if table.cluster else rows


def lay_out(rows: DataFrame, table: Table, hours: int, preclustered: bool = False) -> DataFrame:
    """Rows as they lie in files: spread, unless they are `arranged` in ranges already, and sorted within a file.

    Borders of ranges are drawn from a sample, for which Spark makes rows once more from the last shuffle on. Where that
    is dear a table's logic draws them beforehand, from what it reads (`Table.arranged`). A task then has a file of each
    hour, which is for as many hours only as it writes at once.
    """
    return sort_within_tasks(
        rows if preclustered and hours <= MAX_OPEN_HOURS else range_partition(rows, table, hours), table
    )
