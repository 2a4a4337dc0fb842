"""Parses landed text, Parquet or Avro into typed records: each record once, with the types of its contract.

`faults` judges the records.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, DecimalType, NullType

from etl.conf import Settings
from etl.model.contract import EXTRA, Event
from etl.model.contract import Column as Field
from etl.model.privacy import REPLACEMENT_IDS_BELOW, ROLES
from etl.transforms.snowflake import minted_ts

DAY = r"^\d{4}-\d{2}-\d{2}\z"  # not `$`, which also matches before a line break
ISO = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})\z"
PARSED = {"TIMESTAMP": "STRING", "DATE": "STRING", "DECIMAL": "DOUBLE", "SMALLINT": "BIGINT", "INT": "BIGINT"}
INTEGRAL = ("byte", "short", "integer", "long")
MAX_DECIMAL = 1e26  # far above every decimal of a contract; larger values and NaN are of the wrong type
MAX_NEW_FIELDS, MAX_NAME = 20, 60
"""Unknown fields that are counted for one record, and characters of a name that are kept."""
FLAT = r"^\s*\{[^{}]*\}\s*$"
NESTED = r"(?s)^\s*\{.*\}\s*$"
PROVENANCE = ("source_file", "landed_hour", "_line")
"""Columns of a record that no field of a file is read into: its file, its landed hour, and the line that it was read
from, where somebody asked for it."""
SURROGATE_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
SURROGATE = r"\\u[dD][89a-fA-F]"
MICROS = {
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}


def parse_text(lines: DataFrame, event: Event, one_in: int = 1) -> DataFrame:
    """Lines (raw and PROVENANCE) -> the same columns, one typed column per field, `_corrupt` and `_unknown`.

    `_corrupt` is true when the line is not one JSON object in UTF-8, or a field is not of its type. `_unknown` has the
    names of fields that the event does not have: of one record in `one_in`, NULL for the others.
    """
    parsed = lines.withColumn("_p", parsed_json({f.name: _parsed_type(f) for f in event.fields}))
    fields = [_typed(F.col("_p")[f.name], f).alias(f.name) for f in event.fields]
    corrupt = F.col("_p").isNull() | F.col("_p._corrupt").isNotNull() | ~one_object("raw") | ~is_text(event)
    wrong_type = [_is_present(F.col("_p")[f.name], f) & _typed(F.col("_p")[f.name], f).isNull() for f in event.fields]
    names = F.array_except(F.json_object_keys("raw"), F.array(*[F.lit(f.name) for f in event.fields]))
    unknown = F.when(F.pmod(F.xxhash64("raw"), F.lit(one_in)) == 0, _shortened(names)).alias("_unknown")
    return parsed.select(*lines.columns, *fields, any_of([corrupt, *wrong_type]).alias("_corrupt"), unknown)


def _shortened(names: Column) -> Column:
    """The first names of a list, each with at most MAX_NAME characters: a producer may send any number of them."""
    return F.transform(F.slice(names, 1, MAX_NEW_FIELDS), lambda name: F.substring(name, 1, MAX_NAME))


def quoted(name: str) -> Column:
    """A column by its name, which may contain any character."""
    return F.col("`" + name.replace("`", "``") + "`")


def as_text(columns: list[str]) -> Column:
    """A row of a Parquet or Avro file as one line of JSON."""
    return F.to_json(F.struct(*[quoted(c) for c in columns]), MICROS) if columns else F.lit("{}")


def parse_columns(rows: DataFrame, event: Event, one_in: int = 1) -> DataFrame:
    """Rows of Parquet or Avro with PROVENANCE -> the columns of `parse_text`; raw is the row as JSON."""
    types = {f.name: f.dataType for f in rows.schema.fields if f.name not in PROVENANCE}
    fields, wrong_type = [], []
    for field in event.fields:
        found = quoted(field.name) if field.name in types else F.lit(None)
        value = _from_column(found, types.get(field.name, NullType()), field)
        fields.append(value.alias(field.name))
        wrong_type.append(found.isNotNull() & value.isNull())
    raw = as_text(list(types)).alias("raw")
    provenance = [name for name in PROVENANCE if name in rows.columns]
    flag, unknown = any_of(wrong_type).alias("_corrupt"), _unknown_columns(list(types), event, one_in).alias("_unknown")
    return rows.select(raw, *provenance, *fields, flag, unknown)


def _unknown_columns(names: list[str], event: Event, one_in: int) -> Column:
    """The names of columns that the event does not have and that are not NULL, of one row in `one_in`.

    Without such columns it reads nothing.
    """
    unknown = [name for name in names if name not in {f.name for f in event.fields}][:MAX_NEW_FIELDS]
    if not unknown:
        return F.array().cast("array<string>")
    found = F.array(*[F.when(quoted(name).isNotNull(), F.lit(name[:MAX_NAME])) for name in unknown])
    return F.when(F.monotonically_increasing_id() % one_in == 0, F.array_compact(found))


def parsed_json(types: dict[str, str]) -> Column:
    """raw as a struct of these fields and `_corrupt`, which is set when a field is not of its type."""
    schema = ", ".join(f"`{name}` {type_}" for name, type_ in types.items()) + ", `_corrupt` STRING"
    strict = {"allowNonNumericNumbers": "false", "allowSingleQuotes": "false"}
    return F.from_json("raw", schema, {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": "_corrupt", **strict})


def split(line: str) -> Column:
    """The records of one line that ends with LF: one record, or several when CR ends lines, too.

    A CR within one JSON object is white space. String functions replace bytes that are not UTF-8. So a record that had
    such bytes gets one of them back, and is quarantined later as unparseable.
    """
    cr, valid = F.lit("\r"), F.is_valid_utf8(line)
    text = F.rtrim(F.make_valid_utf8(line), cr)
    is_one_record = ~F.contains(text, cr) | one_object(text)
    pieces = F.when(is_one_record, F.array(text)).otherwise(F.split(text, "\r"))
    invalid_byte = F.unhex(F.lit("FF")).cast("string")

    def marked(piece: Column) -> Column:
        had_invalid_bytes = ~valid & F.contains(piece, F.lit("\ufffd"))
        return F.when(had_invalid_bytes, F.concat(piece, invalid_byte)).otherwise(piece)

    return F.when(~F.contains(F.col(line), cr), F.array(line)).otherwise(F.transform(pieces, marked))


def one_object(text: Column | str) -> Column:
    """Whether a line is exactly one JSON object. The parser alone stops after the first object and ignores a second."""
    line = F.col(text) if isinstance(text, str) else text
    is_single = F.json_array_length(F.concat(F.lit("["), line, F.lit("]"))) == 1
    return line.rlike(FLAT) | (line.rlike(NESTED) & F.coalesce(is_single, F.lit(False)))


def is_text(event: Event) -> Column:
    """Whether a line is UTF-8 and has no half of a surrogate pair, which the parser would replace.

    An escaped half (`u+d800` after a backslash) is not a character. It can only do harm in an event that has free text.
    """
    valid = F.is_valid_utf8("raw")
    if not any(_is_free_text(f) for f in event.fields):
        return valid
    escapes = F.contains("raw", F.lit("\\ud")) | F.contains("raw", F.lit("\\uD"))
    unpaired = F.regexp_replace(F.regexp_replace("raw", r"\\\\", " "), SURROGATE_PAIR, " ").rlike(SURROGATE)
    return valid & ~(escapes & unpaired)


def _parsed_type(field: Field) -> str:
    """The type to parse a field as. It must not accept text as a number; free text is VARIANT, which keeps its type."""
    if _is_free_text(field):
        return "VARIANT"
    return PARSED.get(field.type.split("(")[0], field.type)


def _is_free_text(field: Field) -> bool:
    return field.type == "STRING" and not field.values


def _is_present(value: Column, field: Field) -> Column:
    return value.isNotNull() & ~F.is_variant_null(value) if _is_free_text(field) else value.isNotNull()


def _typed(value: Column, field: Field) -> Column:
    """A parsed value in the type of its field; NULL when it does not fit."""
    if _is_free_text(field):
        return F.when(F.schema_of_variant(value) == "STRING", F.try_variant_get(value, "$", "STRING"))
    if field.type.startswith("DECIMAL"):
        return _finite(value)
    if field.type == "DATE":
        return F.when(value.rlike(DAY), value.try_cast("date"))
    return _instant(value) if field.type == "TIMESTAMP" else value


def _finite(value: Column) -> Column:
    """A decimal as DOUBLE, which holds 15 digits and is fast. Checks run before the contract's scale rounds it."""
    return F.when(F.abs(value) < MAX_DECIMAL, value)


def _instant(text: Column) -> Column:
    return F.when(text.rlike(ISO), text.try_cast("timestamp"))


def _from_column(value: Column, found: DataType, field: Field) -> Column:
    """The value of a field; NULL when it does not fit. Every type of whole numbers is an integer; text is no number."""
    kind = found.typeName().split("(")[0]
    wanted = {"DECIMAL": "DOUBLE", "SMALLINT": "BIGINT", "INT": "BIGINT"}.get(field.type.split("(")[0], field.type)
    if field.type == "TIMESTAMP":
        if kind in ("timestamp", "timestamp_ntz"):
            return value.cast("timestamp")
        return _instant(value) if kind == "string" else F.lit(None).cast("timestamp")
    if wanted == "STRING":
        text = value.cast("string")  # bytes become text without a conversion
        return F.when(F.is_valid_utf8(text), text) if kind in ("string", "binary") else F.lit(None).cast("string")
    if wanted.startswith("ARRAY"):
        return _elements(value, found, wanted)
    fits = (
        (wanted == "BIGINT" and _is_integral(found))
        or (wanted == "DOUBLE" and kind in (*INTEGRAL, "float", "double", "decimal"))
        or (kind in ("boolean", "date") and wanted.lower() == kind)
    )
    typed = value.try_cast(wanted) if fits else F.lit(None).cast(wanted)
    return _finite(typed) if wanted == "DOUBLE" else typed


def _is_integral(found: DataType) -> bool:
    """Whether a type holds only whole numbers. Snowflake writes DECIMAL(38,0), and UINT64 is read as DECIMAL(20,0)."""
    return found.typeName() in INTEGRAL or (isinstance(found, DecimalType) and found.scale == 0)


def _elements(value: Column, found: DataType, wanted: str) -> Column:
    """A list of whole numbers; NULL when an element does not fit."""
    if not isinstance(found, ArrayType) or not _is_integral(found.elementType):
        return F.lit(None).cast(wanted)
    does_not_fit = F.exists(value, lambda e: e.isNotNull() & e.try_cast("bigint").isNull())
    return F.when(~F.coalesce(does_not_fit, F.lit(False)), value.try_cast(wanted))


def enrich(parsed: DataFrame, event: Event, settings: Settings) -> DataFrame:
    """The same records with id_ts, the time in their snowflake id, and its hour; and with their unknown fields.

    Each only when the event says so.
    """
    if event.keeps_unknown:
        parsed = parsed.withColumn(EXTRA, _extra(event))
    if not event.snowflake_hour:
        return parsed
    dated = parsed.withColumn("id_ts", minted_ts(event.snowflake, settings.snowflake_epoch_ms))
    return dated.withColumn(event.snowflake_hour.name, F.date_trunc("hour", "id_ts"))


def _extra(event: Event) -> Column:
    """Fields that the event does not have, with their values as text; NULL without such fields, and of erased people.

    An erased person's record has no raw text, or a replacement id.
    """
    names = [f.name for f in event.fields]
    every = F.from_json("raw", "MAP<STRING, STRING>")
    extra = F.map_filter(every, lambda name, value: ~name.isin(*names) & value.isNotNull())
    people = [F.col(name) for role in ROLES if (name := role.column(names))]
    is_erased = any_of([person < REPLACEMENT_IDS_BELOW for person in people] or [F.lit(False)])
    return F.when(~is_erased & (F.size(extra) > 0), extra)


def any_of(conditions: list[Column]) -> Column:
    """Whether one of the conditions holds; NULL counts as false."""
    return reduce(lambda a, b: a | b, [F.coalesce(c, F.lit(False)) for c in conditions], F.lit(False))
