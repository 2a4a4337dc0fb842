"""What a query reads of each table, from Spark's optimized plan: files, bytes, and whether a condition selects them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame

from etl.engine.spark.jvm import as_list

RELATION = "org.apache.spark.sql.execution.datasources.LogicalRelation"
OF_FILES = "org.apache.spark.sql.execution.datasources.HadoopFsRelation"


@dataclass(frozen=True)
class Scan:
    """The files of one table that a query reads, after pruning. size: their bytes on disk.

    table: the name of its folder, without the underscore of internal folders. is_pruned: whether the query has a
    condition on a partition column.
    """

    table: str
    files: int
    size: int
    is_pruned: bool


def of_frame(frame: DataFrame) -> list[Scan]:
    """The scans of a query. It plans the query, which reads the logs of its tables, and runs nothing."""
    spark = frame.sparkSession
    leaves = as_list(spark, frame._jdf.queryExecution().optimizedPlan().collectLeaves())
    relations = [leaf.relation() for leaf in leaves if _class(leaf).startswith(RELATION)]
    return [_scan(relation.location()) for relation in relations if _class(relation) == OF_FILES]


def _class(value: Any) -> str:
    """The name of the class of a JVM object."""
    return str(value.getClass().getName())


def _scan(index: Any) -> Scan:
    """The scan of a file index of Delta, or of plain files."""
    folders = [part for part in str(index.rootPaths().head()).split("/") if part and "=" not in part]
    return Scan(folders[-1].lstrip("_"), len(index.inputFiles()), int(index.sizeInBytes()), _is_pruned(index))


def _is_pruned(index: Any) -> bool:
    """Whether a Delta index was prepared with a condition on partition columns."""
    if not _class(index).endswith("PreparedDeltaFileIndex"):
        return False
    return not index.preparedScan().partitionFilters().isEmpty()
