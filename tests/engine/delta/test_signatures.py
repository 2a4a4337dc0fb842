"""The methods of Delta and Spark that are not public and that the engine calls, with their numbers of parameters."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from etl.engine.spark.jvm import jvm

DELTA = "org.apache.spark.sql.delta"
SOURCES = "org.apache.spark.sql.execution.datasources"
CALLED = {
    f"{DELTA}.DeltaLog": {
        "forTable": 2, "clearCache": 0, "update": 3, "getSnapshotAt": 4, "tableExists": 0, "createDataFrame": 4,
        "startTransaction": 2, "checkpoint": 2,
    },
    f"{DELTA}.Snapshot": {
        "version": 0, "metadata": 0, "protocol": 0, "deltaLog": 0, "allFiles": 0, "tombstones": 0, "filesForScan": 2,
        "checksumOpt": 0,
        "numOfFiles": 0,
    },
    f"{DELTA}.VersionChecksum": {"numFiles": 0, "allFiles": 0},
    f"{DELTA}.OptimisticTransaction": {
        "writeFiles": 1, "trackReadPredicates": 3, "trackFilesRead": 1,
        "snapshot": 0, "readVersion": 0, "commit": 2, "metadata": 0, "updateMetadata": 2,
    },
    f"{DELTA}.actions.AddFile": {"path": 0, "stats": 0, "partitionValues": 0, "removeWithTimestamp": 2, "size": 0,
        "modificationTime": 0, "deletionVector": 0,
        "productArity": 0, "productElementName": 1,
    },
    f"{DELTA}.files.TahoeFileIndex": {"absolutePath": 1, "getPartitionValuesRow": 1, "partitionSchema": 0},
    f"{DELTA}.actions.Metadata": {"id": 0, "configuration": 0, "schemaString": 0, "partitionColumns": 0,
        "columnMappingMode": 0, "copy": 8, "productArity": 0, "productElementName": 1,
    },
    f"{DELTA}.actions.Protocol": {
        "minReaderVersion": 0, "minWriterVersion": 0, "readerAndWriterFeatureNames": 0
    },
    "org.apache.spark.sql.classic.SparkSession": {"sessionState": 0, "baseRelationToDataFrame": 1},
    f"{SOURCES}.HadoopFsRelation": {
        "location": 0, "partitionSchema": 0, "dataSchema": 0, "bucketSpec": 0, "options": 0, "sparkSession": 0,
        "copy": 7,
    },
    f"{SOURCES}.FileStatusCache": {"getOrCreate": 1, "putLeafFiles": 2},
    f"{SOURCES}.InMemoryFileIndex": {"listFiles": 2},
    f"{SOURCES}.PartitionDirectory": {"files": 0},
}  # fmt: skip


def parameters(spark: SparkSession, name: str) -> set[tuple[str, int]]:
    """(method, number of parameters) of every public method of a class of the JVM."""
    found = jvm(spark, "org.apache.spark.util.Utils").classForName(name, True, False)
    return {(str(m.getName()), int(m.getParameterCount())) for m in found.getMethods()}


@pytest.mark.parametrize("name", CALLED)
def test_a_method_that_is_called_exists_with_its_parameters(spark: SparkSession, name: str) -> None:
    assert set(CALLED[name].items()) - parameters(spark, name) == set()


def test_an_index_of_files_is_made_with_its_parameters(spark: SparkSession) -> None:
    index = jvm(spark, "org.apache.spark.util.Utils").classForName(f"{SOURCES}.InMemoryFileIndex", True, False)
    assert [constructor.getParameterCount() for constructor in index.getConstructors()] == [7]


def test_the_operation_of_a_commit_has_its_parameters(spark: SparkSession) -> None:
    """A save mode and eight options, all of which the engine leaves out."""
    write = jvm(spark, "org.apache.spark.util.Utils").classForName(f"{DELTA}.DeltaOperations$Write", True, False)
    assert [constructor.getParameterCount() for constructor in write.getConstructors()] == [9]
