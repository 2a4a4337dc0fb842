"""Parquet files of any writer as plain Spark columns: what Spark would refuse a whole file for is not asked of it.

Each file is judged by its own footer, so that what a file holds never depends on the files beside it. Columns are named
in lower case, as contracts name them. Instants are read as the numbers they are stored as: nanoseconds, and those that
a multiplication to microseconds would take out of 64 bits, become an instant out of every range, not an error.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, IntegerType, LongType, NullType, StructField, StructType

from etl.engine.landing.records import INTEGRAL, quoted
from etl.engine.spark.files import glob_escape
from etl.engine.spark.jvm import jvm

FILE = "_file"
RESERVED = (FILE, "_metadata", "source_file", "landed_hour")
"""Column names of this reader's own. A column of a file that has one is not read."""
NANOS = "spark.sql.legacy.parquet.nanosAsLong"
FARTHEST = 10**18
"""Microseconds from 1970, either way, that any instant is taken for that lies farther: 31,688 years."""
FOOTERS_AT_ONCE = 8
PATH, MESSAGE = "org.apache.hadoop.fs.Path", "org.apache.parquet.schema.MessageType"
NOT_READABLE = "not readable"
UNIT = re.compile(r"TIMESTAMP\((MILLIS|MICROS|NANOS),")
PLAIN = (*INTEGRAL, "boolean", "float", "double", "decimal", "string", "binary", "date", "timestamp")


@dataclass(frozen=True)
class Shape:
    """How files of one schema are read.

    `columns` are the names and Spark types to ask for; `units` the unit of those that are instants, stored as numbers;
    `refused` the names, in lower case, of columns that hold what Spark cannot read, or that are there twice.
    """

    columns: StructType
    units: tuple[tuple[str, str], ...] = ()
    refused: tuple[str, ...] = ()


def frames(spark: SparkSession, uris: list[str]) -> list[DataFrame]:
    """A DataFrame for each shape that files have: their columns and `_file`. Raises Py4JJavaError for no Parquet."""
    spark.conf.set(NANOS, "true")
    groups: dict[str, tuple[Shape, list[str]]] = {}
    for uri, shape in zip(uris, _shapes(spark, uris), strict=True):
        groups.setdefault(repr(shape), (shape, []))[1].append(uri)
    return [(_frame if s.columns or s.refused else _bare)(spark, s, group) for s, group in groups.values()]


def _bare(spark: SparkSession, _: Shape, uris: list[str]) -> DataFrame:
    """Rows of files without any column, which Parquet's reader fails at: as many as their footers say."""
    counted = [(str(jvm(spark, PATH)(uri).toUri().toString()), int(_footer(spark, uri).getNum_rows())) for uri in uris]
    rows = spark.createDataFrame(counted, f"{FILE} STRING, n BIGINT").where("n > 0")
    return rows.select(FILE, F.explode(F.expr("sequence(1, n)"))).select(FILE)


def _frame(spark: SparkSession, shape: Shape, uris: list[str]) -> DataFrame:
    rows = spark.read.schema(shape.columns).parquet(*[glob_escape(uri) for uri in uris])
    units = dict(shape.units)
    given = [_value(field.name, units.get(field.name)).alias(field.name.lower()) for field in shape.columns.fields]
    refused = [F.array(F.lit(NOT_READABLE)).alias(name) for name in shape.refused]
    return rows.select(*given, *refused, F.col("_metadata.file_path").alias(FILE))


def _value(name: str, unit: str | None) -> Column:
    """A column of a file; the number of an instant as TIMESTAMP, without an overflow on the way."""
    column = quoted(name)
    if unit is None:
        return column
    if unit == "NANOS":
        return F.timestamp_micros(F.call_function("div", column, F.lit(1000)))
    times = 1000 if unit == "MILLIS" else 1
    farthest = FARTHEST // times
    bounded = F.greatest(F.least(column, F.lit(farthest)), F.lit(-farthest))
    return F.timestamp_micros(F.when(column.isNotNull(), bounded) * times)  # `least` of NULL and a number is the number


def _shapes(spark: SparkSession, uris: list[str]) -> list[Shape]:
    """The shape of each file by its footer; several footers are read at the same time."""
    with ThreadPoolExecutor(min(FOOTERS_AT_ONCE, len(uris))) as pool:
        schemas = list(pool.map(partial(_schema, spark), uris))
    known: list[tuple[Any, Shape]] = []
    found = []
    for schema in schemas:
        shape = next((shape for other, shape in known if other.equals(schema)), None)
        if shape is None:
            shape = _shape(spark, schema)
            known.append((schema, shape))
        found.append(shape)
    return found


def _schema(spark: SparkSession, uri: str) -> Any:
    """Parquet's own schema of a file. Raises Py4JJavaError for a file without a footer."""
    path, conf = jvm(spark, PATH)(uri), spark._jsparkSession.sessionState().newHadoopConf()
    file = jvm(spark, "org.apache.parquet.hadoop.util.HadoopInputFile").fromPath(path, conf)
    try:
        reader = jvm(spark, "org.apache.parquet.hadoop.ParquetFileReader").open(file)
    except Py4JJavaError:
        if _footer(spark, uri).getSchemaSize() > 1:
            raise
        return jvm(spark, MESSAGE)("none", jvm(spark, "java.util.List").of())
    try:
        return reader.getFooter().getFileMetaData().getSchema()
    finally:
        reader.close()


def _footer(spark: SparkSession, uri: str) -> Any:
    """The footer of a file as the format has it. Raises Py4JJavaError when there is none."""
    path = jvm(spark, PATH)(uri)
    fs = path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    size = fs.getFileStatus(path).getLen()
    stream = fs.open(path)
    try:
        stream.seek(size - 8)
        length = int.from_bytes(
            (stream.readInt() & 0xFFFFFFFF).to_bytes(4, "big"), "little"
        )  # stored the other way round
        stream.seek(size - 8 - length)
        return jvm(spark, "org.apache.parquet.format.Util").readFileMetaData(stream)
    finally:
        stream.close()


def _shape(spark: SparkSession, schema: Any) -> Shape:
    fields = [field for field in schema.getFields() if _is_ours(field.getName())]
    times = Counter(field.getName().lower() for field in fields)
    columns, units, refused = [], {}, {name for name, count in times.items() if count > 1}
    for field in fields:
        name, told = field.getName(), str(field.getLogicalTypeAnnotation())
        if name.lower() in refused or told == "UNKNOWN":  # a column of this type holds NULL only
            continue
        if unit := UNIT.match(told):
            units[name] = unit[1]
        kind = LongType() if unit else _type(spark, field)
        if kind is None:
            refused.add(name.lower())
        else:
            columns.append(StructField(name, kind))
    return Shape(
        StructType(sorted(columns, key=lambda c: c.name)), tuple(sorted(units.items())), tuple(sorted(refused))
    )


def _is_ours(name: str) -> bool:
    return name.lower() not in RESERVED and bool(name.strip())


def _type(spark: SparkSession, field: Any) -> DataType | None:
    """The Spark type of a column, where it is plain or a list of plain values and Spark can read it."""
    converter = jvm(spark, "org.apache.spark.sql.execution.datasources.parquet.ParquetToSparkSchemaConverter")
    message = jvm(spark, MESSAGE)("one", jvm(spark, "java.util.List").of(field))
    try:
        told = converter(spark._jsparkSession.sessionState().conf()).convert(message).json()
    except (Py4JJavaError, PySparkException):
        return None
    kind = StructType.fromJson(json.loads(told)).fields[0].dataType
    if isinstance(kind, ArrayType) and isinstance(kind.elementType, NullType):
        return ArrayType(IntegerType())
    plain = kind.elementType if isinstance(kind, ArrayType) else kind
    return kind if plain.typeName().split("(")[0] in PLAIN else None
