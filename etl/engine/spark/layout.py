"""Distributes the rows of a batch over tasks and files: even ranges of hour, cluster columns and key.

The last cluster columns of a fact are its key, so the rows of one hot viewer or post are split over tasks, too. No
extra salt column is needed.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from etl.model.contract import Table

MAX_OPEN_HOURS = 24  # a task can write files of this many hours at once without sorting its rows by hour first


def range_partition(rows: DataFrame, table: Table, hours: int) -> DataFrame:
    """Rows range-partitioned by hour and cluster columns, so that a task gets neighboring viewers. Not sorted.

    There are at most as many ranges as the session has shuffle partitions, or one per hour when there are more hours.
    """
    tasks = int(rows.sparkSession.conf.get("spark.sql.shuffle.partitions") or 1)
    if 1 < tasks < hours:
        return rows.repartitionByRange(hours, table.hour, *table.cluster)
    return rows.repartitionByRange(table.hour, *table.cluster)


def sort_within_tasks(rows: DataFrame, table: Table) -> DataFrame:
    """Rows of each task sorted by the first cluster column, which is their order in files.

    Why only one column: Spark sorts a single number with a radix sort. With the hour or a second column it compares
    rows, which costs a task that writes a fact a third more CPU and does not make looking up a viewer faster. So a task
    has the files of all its hours open at the same time.
    """
    return rows.sortWithinPartitions(table.cluster[0]) if table.cluster else rows


def lay_out(rows: DataFrame, table: Table, hours: int, preclustered: bool = False) -> DataFrame:
    """Rows as they are written to files: range-partitioned over tasks, and sorted within a file.

    To find the borders of ranges Spark takes a sample, and for it computes the rows again from the last shuffle on.
    When that is expensive, the table's transform partitions its inputs by range instead (`Replace.preclustered`), and
    this function keeps the partitions. Then each task writes a file of each hour, so this works for up to
    MAX_OPEN_HOURS hours; more hours are partitioned again.
    """
    return sort_within_tasks(
        rows if preclustered and hours <= MAX_OPEN_HOURS else range_partition(rows, table, hours), table
    )
