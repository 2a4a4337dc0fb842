"""Reads Parquet files of any writer as plain Spark columns.

It asks Spark only for columns that Spark can read: one unsupported column would make Spark refuse the whole file. Each
file is read by its own footer, so that its values do not depend on other files in the folder. Column names are in lower
case, as in the contracts. Timestamps, also those in nanoseconds, are read as the numbers they are stored as. A number
that overflows 64 bits as microseconds becomes a timestamp outside every allowed range, not an error.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, LongType, StructField, StructType

from etl.engine.landing.shape import FILE, Shape, is_data, plain, repeated
from etl.engine.spark.files import glob_escape, hadoop_conf
from etl.engine.spark.jvm import from_java, jvm

NANOS = "spark.sql.legacy.parquet.nanosAsLong"
SPLIT, VECTORIZED = "BYTE_STREAM_SPLIT", "spark.sql.parquet.enableVectorizedReader"
"""An encoding of columns (DuckDB's format V2) that only Spark's slower reader of Parquet knows. A session that finds a
file with it uses that reader from then on."""
FOOTERS_AT_ONCE = 8
PATH, MESSAGE = "org.apache.hadoop.fs.Path", "org.apache.parquet.schema.MessageType"
NESTED_NANOS = "(TIMESTAMP(NANOS,"
"""Part of the text of a column of nested timestamps in nanoseconds. With NANOS on, Spark would read them as numbers."""
UNIT = re.compile(r"TIMESTAMP\((MILLIS|MICROS|NANOS),")


def frames(spark: SparkSession, uris: list[str]) -> list[DataFrame]:
    """One DataFrame for each shape of the files, with their columns and `_file` (the file's URI).

    Raises Py4JJavaError when a file is not Parquet.
    """
    spark.conf.set(NANOS, "true")
    groups: dict[str, tuple[Shape, list[str]]] = {}
    for uri, shape in zip(uris, _shapes(spark, uris), strict=True):
        groups.setdefault(repr(shape), (shape, []))[1].append(uri)
    return [(_frame if s.columns or s.refused else _bare)(spark, s, group) for s, group in groups.values()]


def _bare(spark: SparkSession, _: Shape, uris: list[str]) -> DataFrame:
    """The rows of files without columns, as many as their footers count. Spark's Parquet reader fails on such files."""
    counted = [(str(jvm(spark, PATH)(uri).toUri().toString()), int(_footer(spark, uri).getNum_rows())) for uri in uris]
    rows = spark.createDataFrame(counted, f"{FILE} STRING, n BIGINT").where("n > 0")
    return rows.select(FILE, F.explode(F.expr("sequence(1, n)"))).select(FILE)


def _frame(spark: SparkSession, shape: Shape, uris: list[str]) -> DataFrame:
    """The rows of files of one shape."""
    return shape.of(spark.read.schema(shape.columns).parquet(*[glob_escape(uri) for uri in uris]))


def _shapes(spark: SparkSession, uris: list[str]) -> list[Shape]:
    """The shape of each file, from its footer. It reads several footers in parallel."""
    with ThreadPoolExecutor(min(FOOTERS_AT_ONCE, len(uris))) as pool:
        schemas = list(pool.map(partial(schema, spark), uris))
    distinct: list[tuple[Any, Shape]] = []
    shapes = []
    for found in schemas:
        shape = next((shape for other, shape in distinct if other.equals(found)), None)
        if shape is None:
            shape = _shape(spark, found)
            distinct.append((found, shape))
        shapes.append(shape)
    return shapes


def schema(spark: SparkSession, uri: str) -> Any:
    """The Parquet schema of a file, as a Java object. Raises Py4JJavaError when the file has no footer.

    Sets the reader of the session that can read the file.
    """
    path, conf = jvm(spark, PATH)(uri), hadoop_conf(spark)
    file = jvm(spark, "org.apache.parquet.hadoop.util.HadoopInputFile").fromPath(path, conf)
    try:
        reader = jvm(spark, "org.apache.parquet.hadoop.ParquetFileReader").open(file)
    except Py4JJavaError:
        if _footer(spark, uri).getSchemaSize() > 1:
            raise
        return jvm(spark, MESSAGE)("none", jvm(spark, "java.util.List").of())
    try:
        footer = reader.getFooter()
        if SPLIT in footer.getBlocks().toString():
            spark.conf.set(VECTORIZED, "false")
        return footer.getFileMetaData().getSchema()
    finally:
        reader.close()


def _footer(spark: SparkSession, uri: str) -> Any:
    """The footer of a file, as a Java object of Parquet's format library. Raises Py4JJavaError when there is none."""
    path = jvm(spark, PATH)(uri)
    fs = path.getFileSystem(hadoop_conf(spark))
    size = fs.getFileStatus(path).getLen()
    stream = fs.open(path)
    try:
        stream.seek(size - 8)
        # `readInt` is big-endian; Parquet stores the length of its footer little-endian.
        length = int.from_bytes((stream.readInt() & 0xFFFFFFFF).to_bytes(4, "big"), "little")
        stream.seek(size - 8 - length)
        return jvm(spark, "org.apache.parquet.format.Util").readFileMetaData(stream)
    finally:
        stream.close()


def _shape(spark: SparkSession, schema: Any) -> Shape:
    """How to read files with this Parquet schema."""
    fields = [field for field in from_java(schema.getFields()) if is_data(field.getName())]
    columns, units, refused = [], {}, repeated(field.getName() for field in fields)
    for field in fields:
        name, logical_type = field.getName(), str(field.getLogicalTypeAnnotation())
        if name.lower() in refused or logical_type == "UNKNOWN":  # a column of this type holds only NULL
            continue
        if unit := UNIT.match(logical_type):
            units[name] = unit[1]
        spark_type = LongType() if unit else None if NESTED_NANOS in str(field) else _type(spark, field)
        if spark_type is None:
            refused.add(name.lower())
        else:
            columns.append(StructField(name, spark_type))
    return Shape(
        StructType(sorted(columns, key=lambda c: c.name)), tuple(sorted(units.items())), tuple(sorted(refused))
    )


def _type(spark: SparkSession, field: Any) -> DataType | None:
    """The Spark type of a column; None unless it is a plain type or a list of one, and Spark can read it."""
    converter = jvm(spark, "org.apache.spark.sql.execution.datasources.parquet.ParquetToSparkSchemaConverter")
    message = jvm(spark, MESSAGE)("one", jvm(spark, "java.util.List").of(field))
    try:
        schema_json = converter(spark._jsparkSession.sessionState().conf()).convert(message).json()
    except (Py4JJavaError, PySparkException):
        return None
    return plain(StructType.fromJson(json.loads(schema_json)).fields[0].dataType)
