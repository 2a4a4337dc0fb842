"""Erases people from lines of JSON in landed files."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.engine.landing import reader as landing
from etl.engine.landing import records
from etl.engine.people import suppression
from etl.engine.people.suppression import ErasedIds
from etl.model.contract import Event
from etl.model.privacy import Role
from etl.operations.erasure import rules

ERASED = "erased"  # replaces a line that still names an erased person after it was edited


def read(spark: SparkSession, event: Event, uris: list[str]) -> DataFrame:
    """Read lines as the reader of landed records parses them: raw, source_file, fields."""
    hour = F.lit(None).cast("timestamp").alias("landed_hour")
    lines = landing.lines(spark, uris).select("raw", F.col("_file").alias("source_file"), hour)
    return records.parse_text(lines, event)


def named_ids(event: Event, role: Role) -> Column:
    """Return the ids (ARRAY<BIGINT>) by which a line may name people.

    These are the id of its person and the ids that follow a key such as "viewer_id". A line that has neither may name
    people by any of its numbers.
    """
    by_key, person = suppression.ids_by_key(F.col("raw"), role), _person_id(event, role)
    has_neither = person.isNull() & (F.size(by_key) == 0)
    ids = F.when(has_neither, suppression.numbers_in(F.col("raw"))).otherwise(by_key)
    return F.array_compact(F.array_append(F.coalesce(ids, F.array()), person))


def without_people(lines: DataFrame, event: Event, people: ErasedIds) -> DataFrame:
    """Return lines (`value` STRING) that name no erased person. `lines` has the helper columns of `people`.

    A line that still names an erased person after it was edited, such as one that cannot be parsed, becomes ERASED.
    """
    role = people.suppressed.role
    if role.by(f.name for f in event.fields) is None:  # records that only describe a person
        lines = lines.where(~people.has(_person_id(event, role)))
    names_erased = F.arrays_overlap(F.col("_ids"), named_ids(event, role))
    line = F.when(names_erased, _line_without_people(event, people)).otherwise(F.col("raw"))
    edited = lines.withColumn("raw", line).select("raw", "source_file", "landed_hour")
    parsed = people.with_helper_columns(records.parse_text(edited, event))
    return parsed.select(F.when(names_erased, F.lit(ERASED)).otherwise(F.col("raw")).alias("value"))


def _line_without_people(event: Event, people: ErasedIds) -> Column:
    """Return the line with replacement ids.

    A record about an erased person also loses the values of its other personal fields. A record that cannot be parsed
    counts as about an erased person when it names one by a key.
    """
    role, person = people.suppressed.role, _person_id(event, people.suppressed.role)
    erased_ids = F.array_intersect(suppression.ids_by_key(F.col("raw"), role), F.col("_ids"))
    is_about_erased = people.has(person) | (person.isNull() & (F.size(erased_ids) > 0))
    line = _line_with_replacement_ids(erased_ids, event, people)
    return F.when(is_about_erased, _with_nulls(line, rules.other_personal_fields(event, role))).otherwise(line)


def _line_with_replacement_ids(erased_ids: Column, event: Event, people: ErasedIds) -> Column:
    """Return the line in which each of these ids, where it follows a key of the role, is a replacement id."""
    role = people.suppressed.role
    scope_field = role.by(f.name for f in event.fields)
    scope = F.get_json_object("raw", f"$.{scope_field}") if scope_field else F.lit("")

    def replace_id(line: Column, erased_id: Column) -> Column:
        key_and_id = F.concat(F.lit(f"({suppression.key_pattern(role)})"), erased_id.cast("string"), F.lit("(?![0-9])"))
        key_and_replacement = F.concat(F.lit("$1"), people.replacement(erased_id, scope).cast("string"))
        return F.regexp_replace(line, key_and_id, key_and_replacement)

    return F.aggregate(erased_ids, F.col("raw"), replace_id)


def _with_nulls(line: Column, fields: list[str]) -> Column:
    """Return a line of JSON in which the values of some fields are null.

    A regular expression also edits lines that cannot be parsed, and keeps all other characters of the line.
    """
    value = r'"(?:[^"\\]|\\.)*"|[^,}\s]+'
    return F.regexp_replace(line, rf'("(?:{"|".join(fields)})"\s*:\s*)({value})', "$1null") if fields else line


def _person_id(event: Event, role: Role) -> Column:
    return F.col(role.column(f.name for f in event.fields) or "")
