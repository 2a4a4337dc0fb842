"""Reads Avro files of any writer as plain Spark columns.

Each file is read by the schema in its own header, so that its values do not depend on other files in the folder. The
reader gives what the reader of Parquet (`columnar`) gives: names in lower case, and timestamps of every unit that never
overflow. Times are read as the numbers they are stored as: Spark's own conversion of milliseconds fails on overflow.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException, PySparkValueError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DataType, LongType, StructField, StructType

from etl.engine.landing.shape import Shape, is_data, plain, repeated
from etl.engine.spark.files import glob_escape, hadoop_conf
from etl.engine.spark.jvm import from_java, jvm

HEADERS_AT_ONCE = 8
INSTANT = re.compile(r"(?:local-)?timestamp-(millis|micros|nanos)")
TIME = re.compile(r"(?:(?:local-)?timestamp|time)-(?:millis|micros|nanos)")
DEFAULT_CODEC = "null"
CODECS = {DEFAULT_CODEC: "uncompressed"}
"""Names of codecs in a header that Spark's writer names differently."""


@dataclass(frozen=True)
class Header:
    """What the header of a file says: the writer's schema, as JSON, and the codec of its blocks."""

    schema: str
    codec: str

    @property
    def without_times(self) -> str:
        """The schema in which times are numbers. An Avro reader accepts it for the writer's schema."""
        return json.dumps(_without_times(json.loads(self.schema)))

    @property
    def with_nulls(self) -> str:
        """The schema in which every field of a record also allows null."""
        schema = json.loads(self.schema)
        for field in schema["fields"]:
            field["type"] = _or_null(field["type"])
        return json.dumps(schema)


def frames(spark: SparkSession, uris: list[str]) -> list[DataFrame]:
    """One DataFrame for each schema of the files, with their columns and `_file` (the file's URI).

    Raises Py4JJavaError when a file is not Avro, PySparkValueError when its schema is not a record.
    """
    with ThreadPoolExecutor(min(HEADERS_AT_ONCE, len(uris))) as pool:
        headers = list(pool.map(partial(header, spark), uris))
    groups: dict[str, list[str]] = {}
    for uri, found in zip(uris, headers, strict=True):
        groups.setdefault(found.schema, []).append(uri)
    return [_frame(spark, Header(schema, DEFAULT_CODEC), group) for schema, group in groups.items()]


def header(spark: SparkSession, uri: str) -> Header:
    """The header of a file. Raises Py4JJavaError when the file is not Avro."""
    path, conf = jvm(spark, "org.apache.hadoop.fs.Path")(uri), hadoop_conf(spark)
    file = jvm(spark, "org.apache.avro.mapred.FsInput")(path, conf)
    datum_reader = jvm(spark, "org.apache.avro.generic.GenericDatumReader")()
    try:
        reader = jvm(spark, "org.apache.avro.file.DataFileReader").openReader(file, datum_reader)
        return Header(reader.getSchema().toString(), reader.getMetaString("avro.codec") or DEFAULT_CODEC)
    finally:
        file.close()


def read(spark: SparkSession, uri: str) -> DataFrame:
    """The rows of a file with its own names and types; times are numbers."""
    return _reader(spark, header(spark, uri)).load(glob_escape(uri))


def write(rows: DataFrame, folder: str, like: Header) -> None:
    """Write rows that `read` returned, with the schema and codec of their file. Its fields then also allow null."""
    options = {"avroSchema": like.with_nulls, "compression": CODECS.get(like.codec, like.codec)}
    rows.write.format("avro").options(**options).save(folder)


def _reader(spark: SparkSession, found: Header) -> Any:
    return spark.read.format("avro").option("avroSchema", found.without_times)


def _frame(spark: SparkSession, found: Header, uris: list[str]) -> DataFrame:
    """The rows of files of one schema."""
    shape = _shape(spark, found)
    rows = _reader(spark, found).schema(shape.columns).load([glob_escape(uri) for uri in uris])
    return shape.of(rows)


def _shape(spark: SparkSession, found: Header) -> Shape:
    """How to read files with this schema. A column that holds only null is left out."""
    schema = json.loads(found.schema)
    if not isinstance(schema, dict) or schema["type"] != "record":
        raise PySparkValueError("The schema of an Avro file is not a record, so its values have no names.")
    fields = [f for f in schema["fields"] if is_data(f["name"])]
    columns, units, refused = [], {}, repeated(f["name"] for f in fields)
    types = _types(spark, found)
    for field in fields:
        name, unit = field["name"], _unit(field["type"])
        if name.lower() in refused or field["type"] == "null":
            continue
        if unit:
            units[name] = unit
        is_time = not unit and TIME.search(json.dumps(field["type"]))
        spark_type = LongType() if unit else None if is_time else types.get(name)
        if spark_type is None:
            refused.add(name.lower())
        else:
            columns.append(StructField(name, spark_type))
    return Shape(StructType(columns), tuple(sorted(units.items())), tuple(sorted(refused)))


def _types(spark: SparkSession, found: Header) -> dict[str, DataType | None]:
    """The Spark type of each field; None for a type that is not plain, or that Spark cannot read."""
    schema = jvm(spark, "org.apache.avro.Schema$Parser")().setValidateDefaults(False).parse(found.schema)
    converters = jvm(spark, "org.apache.spark.sql.avro.SchemaConverters")
    types: dict[str, DataType | None] = {}
    for field in from_java(schema.getFields()):
        try:
            as_json = converters.toSqlType(field.schema()).dataType().json()
            types[field.name()] = plain(StructType.fromJson(_one_field(as_json)).fields[0].dataType)
        except (Py4JJavaError, PySparkException):
            types[field.name()] = None
    return types


def _one_field(type_json: str) -> dict[str, Any]:
    field = {"name": "value", "type": json.loads(type_json), "nullable": True, "metadata": {}}
    return {"type": "struct", "fields": [field]}


def _unit(found: Any) -> str | None:
    """The unit of a field that holds timestamps, or null; None for every other field."""
    kinds = [kind for kind in (found if isinstance(found, list) else [found]) if kind != "null"]
    if len(kinds) != 1 or not isinstance(kinds[0], dict) or kinds[0].get("type") != "long":
        return None
    unit = INSTANT.fullmatch(str(kinds[0].get("logicalType")))
    return unit[1].upper() if unit else None


def _without_times(found: Any) -> Any:
    """A schema, as parsed JSON, without the logical types of times."""
    if isinstance(found, list):
        return [_without_times(each) for each in found]
    if not isinstance(found, dict):
        return found
    kept = {k: v for k, v in found.items() if not (k == "logicalType" and TIME.fullmatch(str(v)))}
    return {k: _without_times(v) if k in ("type", "items", "values", "fields") else v for k, v in kept.items()}


def _or_null(found: Any) -> Any:
    """A type that also allows null. The first of a union stays first, since a default is of that type."""
    kinds = found if isinstance(found, list) else [found]
    return kinds if "null" in kinds else [*kinds, "null"]
