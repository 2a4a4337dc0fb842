"""Lists the data files of one version of a table, and reads the rows of listed files without a Spark job for the list.

Delta keeps the list of a version as a table of its own: each look into it is a Spark job, and so is each plan that
reads listed files. Two things avoid these jobs while the list is short. The list comes from the version's checksum
file. And the files are read as plain Parquet, from an index in memory (decision 0025).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession

from etl.engine.delta import tables as delta
from etl.engine.spark.jvm import as_list, as_map, as_seq, jvm, none, some

MAX_CACHED = 64
MAX_INDEXED = 64
"""Up to this many files are indexed in memory: each takes some calls of the JVM."""
_DATASOURCES = "org.apache.spark.sql.execution.datasources"


class Listing:
    """Some data files of one version of a table. snapshot: Delta's snapshot. files: its AddFile actions."""

    def __init__(self, spark: SparkSession, snapshot: Any, files: list[Any]) -> None:
        self.snapshot, self.files = snapshot, files
        self._index = None
        if len(files) <= MAX_INDEXED and _is_plain(snapshot, entries := [_entry(file) for file in files]):
            self._relation = _frame_of_delta(spark, snapshot, files)._jdf.queryExecution().analyzed().relation()
            index = _index(spark, self._relation.location(), files, entries)
            self._index = index if index.allFiles().size() == len(files) else None  # else it looked at the storage

    @property
    def is_indexed(self) -> bool:
        """Whether the files are indexed in memory."""
        return self._index is not None

    def frame(self, spark: SparkSession) -> DataFrame:
        """The rows of these files."""
        if self._index is None:
            return _frame_of_delta(spark, self.snapshot, self.files)
        relation, parquet = self._relation, jvm(spark, f"{_DATASOURCES}.parquet.ParquetFileFormat")()
        plain = relation.copy(
            self._index, relation.partitionSchema(), relation.dataSchema(), relation.bucketSpec(), parquet,
            relation.options(), relation.sparkSession(),
        )  # fmt: skip
        return DataFrame(spark._jsparkSession.baseRelationToDataFrame(plain), spark)

    def where(self, spark: SparkSession, predicate: Any) -> list[Any]:
        """The files that match a resolved partition predicate (see `filters`). Only for an indexed listing."""
        assert self._index is not None
        found = [as_list(spark, d.files()) for d in as_list(spark, self._index.listFiles(predicate, as_seq(spark, [])))]
        names = {str(file.getPath().getName()) for files in found for file in files}
        return [file for file in self.files if unquote(str(file.path()).rsplit("/", 1)[-1]) in names]


def listing(spark: SparkSession, uri: str, version: int, predicate: str) -> Listing:
    """The files of a version that match a partition predicate."""
    at_version = delta.snapshot(spark, uri, version)
    return Listing(spark, at_version, matching(spark, at_version, filters(spark, at_version, predicate)))


def matching(spark: SparkSession, at_version: Any, predicate: Any) -> list[Any]:
    """The files of a snapshot that match a resolved partition predicate."""
    known = files_of_checksum(spark, at_version)
    if known is not None and (whole := Listing(spark, at_version, known)).is_indexed:
        return whole.where(spark, predicate)
    return as_list(spark, at_version.filesForScan(predicate, False).files())


def cached_listing(spark: SparkSession) -> Callable[[str, int, str], Listing]:
    """`listing` with a cache of the last 64 results: a run of many hours asks for the same files again and again."""
    return lru_cache(MAX_CACHED)(partial(listing, spark))


def files_of_checksum(spark: SparkSession, at_version: Any) -> list[Any] | None:
    """All files of a snapshot, from its checksum file. None when that has no list: a long one is left out."""
    checksum = at_version.checksumOpt()
    if not checksum.isDefined():
        return None
    if checksum.get().numFiles() == 0:
        return []
    known = checksum.get().allFiles()
    return as_list(spark, known.get()) if known.isDefined() else None


def filters(spark: SparkSession, at_version: Any, predicate: str) -> Any:
    """A partition predicate as the methods of a snapshot take it: a Scala Seq with one resolved expression."""
    rows = _frame_of_delta(spark, at_version, []).where(predicate)
    return as_seq(spark, [rows._jdf.queryExecution().analyzed().condition()])


def _frame_of_delta(spark: SparkSession, snapshot: Any, files: list[Any]) -> DataFrame:
    """The rows of some files as Delta reads them: each plan of this DataFrame runs a job that lists the files."""
    return DataFrame(snapshot.deltaLog().createDataFrame(snapshot, as_seq(spark, files), False, none(spark)), spark)


def _is_plain(snapshot: Any, entries: list[dict[str, Any]]) -> bool:
    """Whether files can be read as plain Parquet: no deletion vectors, columns under their own names.

    Files in one folder must have the same partition values, too: Delta can write files into random folders.
    """
    if snapshot.metadata().columnMappingMode().name() != "none":
        return False
    folders = {(_folder(entry), *sorted(entry["partitionValues"].items())) for entry in entries}
    is_by_folder = len(folders) == len({folder for folder, *_ in folders})
    return is_by_folder and not any(entry.get("deletionVector") for entry in entries)


def _entry(file: Any) -> dict[str, Any]:
    """A file as the log has it, read in one call of the JVM."""
    found: dict[str, Any] = json.loads(file.json())["add"]
    return found


def _folder(entry: dict[str, Any]) -> str:
    return str(entry["path"]).rpartition("/")[0]


def _index(spark: SparkSession, of_delta: Any, files: list[Any], entries: list[dict[str, Any]]) -> Any:
    """An index of these files in memory, which Spark asks in place of Delta's.

    Names, sizes, times and partition values come from the log, so no file is looked at. entries: the files, see
    `_entry`; a call of the JVM for each file is one for every table of an hour.
    """
    known = jvm(spark, f"{_DATASOURCES}.FileStatusCache").getOrCreate(spark._jsparkSession)
    paths = []
    partitions: dict[str, tuple[Any, Any]] = {}
    for file, entry in zip(files, entries, strict=True):
        path = of_delta.absolutePath(entry["path"])
        known.putLeafFiles(path, _status(spark, path, entry))
        paths.append(path)
        if _folder(entry) not in partitions:
            partitions[_folder(entry)] = path.getParent(), file.partitionValues()
    index = jvm(spark, f"{_DATASOURCES}.InMemoryFileIndex")(
        spark._jsparkSession, as_seq(spark, paths), as_map(spark, {}), none(spark), known,
        some(spark, _partition_spec(spark, of_delta, list(partitions.values()))), none(spark),
    )  # fmt: skip
    known.invalidateAll()  # the index keeps a copy
    return index


def _status(spark: SparkSession, path: Any, entry: dict[str, Any]) -> Any:
    """The status of a data file as Hadoop gives it: an array with one element."""
    status = jvm(spark, "org.apache.hadoop.fs.FileStatus")
    gateway = spark.sparkContext._gateway
    assert gateway
    found = gateway.new_array(status, 1)
    found[0] = status(entry["size"], False, 1, entry["size"], entry["modificationTime"], path)
    return found


def _partition_spec(spark: SparkSession, of_delta: Any, partitions: list[tuple[Any, Any]]) -> Any:
    """The partitions of an index, from (folder, partition values as text)."""
    partition = jvm(spark, f"{_DATASOURCES}.PartitionPath")
    listed = [partition(of_delta.getPartitionValuesRow(values), folder) for folder, values in partitions]
    return jvm(spark, f"{_DATASOURCES}.PartitionSpec")(of_delta.partitionSchema(), as_seq(spark, listed))
