"""Erases people from rows of landed Parquet and Avro files."""

from __future__ import annotations

from urllib.parse import quote

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import AtomicType

from etl.engine.landing import avro, columnar, records
from etl.engine.landing import reader as landing
from etl.engine.landing.shape import FILE
from etl.engine.people import suppression
from etl.engine.people.suppression import ErasedIds
from etl.engine.spark import files
from etl.engine.spark.files import LandedFile
from etl.model.contract import Event
from etl.model.privacy import Role
from etl.operations.erasure import rules


def read(spark: SparkSession, file: LandedFile) -> DataFrame:
    """Read a file with its own names and types, or as the reader of landed records does if Spark cannot."""
    spark.conf.set(columnar.NANOS, "false")  # else an instant would be read, and written, as a number
    try:
        if file.name.endswith(landing.AVRO):
            return avro.read(spark, file.uri)
        columnar.schema(spark, file.uri)
        return spark.read.parquet(files.glob_escape(file.uri))
    except (Py4JJavaError, PySparkException):
        (rows,) = landing.tables(spark, [file.uri])
        return rows.drop(FILE)


def write(rows: DataFrame, file: LandedFile, folder: str) -> None:
    """Write rows that `read` returned as one file of the same format."""
    if file.name.endswith(landing.AVRO):
        avro.write(rows.coalesce(1), folder, like=avro.header(rows.sparkSession, file.uri))
    else:
        rows.coalesce(1).write.parquet(folder)


def read_with_source(spark: SparkSession, file: LandedFile) -> DataFrame:
    """Read a file, with its URI in the column `source_file`."""
    return read(spark, file).withColumn("source_file", F.lit(quote(file.uri, safe=":/")))


def named_ids(rows: DataFrame, role: Role) -> Column:
    """Return the ids (ARRAY<BIGINT>) by which a row of a file may name people.

    These are the ids in its id columns. A row of a file without id columns may name people by any of its numbers.
    """
    ids = [
        F.array(records.quoted(name).try_cast("bigint"))
        if atomic
        else suppression.numbers_in(F.to_json(F.struct(records.quoted(name))))
        for name, atomic in _id_columns(rows, role).items()
    ]
    all_numbers = suppression.numbers_in(records.as_text([c for c in rows.columns if c != "source_file"]))
    return F.array_compact(F.flatten(F.array(*[F.coalesce(each, F.array()) for each in ids or [all_numbers]])))


def without_people(rows: DataFrame, event: Event, people: ErasedIds) -> DataFrame:
    """Return rows of a file, with its types, that name no erased person.

    Atomic id columns get replacement ids; nested ones and other personal columns become NULL. In a file without id
    columns, a row that holds an erased id becomes NULL in every column.
    """
    role = people.suppressed.role
    id_columns = _id_columns(rows, role)
    names_erased = F.arrays_overlap(F.col("_ids"), named_ids(rows, role))
    new = {name: _replaced_id(rows, name, people, names_erased) for name in id_columns}
    personal = set(rules.other_personal_fields(event, role))
    cleared = [c for c in rows.columns if c not in new and (c.lower() in personal or not id_columns)]
    new |= {name: F.when(~names_erased, records.quoted(name)) for name in cleared}
    with_helpers = people.with_helper_columns(rows)
    if id_columns and role.by(f.name for f in event.fields) is None:  # records that only describe a person
        with_helpers = with_helpers.where(~F.coalesce(names_erased, F.lit(False)))
    return with_helpers.withColumns(new).drop(*suppression.HELPER_COLUMNS)


def _id_columns(rows: DataFrame, role: Role) -> dict[str, bool]:
    """Return the columns of a file that hold ids of people -> whether they are atomic. Names match in any case."""
    return {f.name: isinstance(f.dataType, AtomicType) for f in rows.schema.fields if f.name.lower() in role.ids}


def _replaced_id(rows: DataFrame, name: str, people: ErasedIds, names_erased: Column) -> Column:
    """Return an id column in which a replacement id (atomic) or NULL (nested) replaces ids of erased people."""
    data_type = rows.schema[name].dataType
    if not isinstance(data_type, AtomicType):
        return F.when(names_erased, F.lit(None)).otherwise(records.quoted(name))
    scope = people.suppressed.role.by([c.lower() for c in rows.columns])
    person = records.quoted(name).try_cast("bigint")
    replacement = people.replacement(person, F.col(scope) if scope else F.lit("")).cast(data_type)
    return F.when(people.has(person), replacement).otherwise(records.quoted(name))
