"""How rows of a batch are spread over files: by hour, then by the cluster columns, in even ranges.

The ranges end in the row's own key, so one hot viewer or post is split over tasks like any other rows: the salt
is the key itself.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from etl.conf import Settings
from etl.contract import Table


def order(table: Table) -> list[str]:
    """What rows lie by in a table's files."""
    return [table.hour, *table.cluster]


def spread(rows: DataFrame, table: Table, hours: int, settings: Settings) -> DataFrame:
    """Rows in ranges of hour and cluster columns; no task mixes far-apart viewers. Not sorted within a range."""
    tasks = settings.shuffle_partitions if hours <= 1 else max(settings.shuffle_partitions, hours)
    return rows.repartitionByRange(tasks, *order(table))


def lay_out(rows: DataFrame, table: Table, hours: int, settings: Settings) -> DataFrame:
    """Rows as they lie in files: spread, and sorted within a file."""
    return spread(rows, table, hours, settings).sortWithinPartitions(*order(table))
