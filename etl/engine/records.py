"""Typed records out of landed text or Parquet, and every reason a record is not acceptable.

The fast path parses each record once with the contract's types; only the few records that fail are looked at
again, field by field, to name all their reasons.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from etl.conf import Settings
from etl.contract import Column as Field
from etl.contract import Event
from etl.events import FACTS_KEPT
from etl.scd2 import CLOSING
from etl.snowflake import minted_ts

ISO = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$"
MICROSECOND = timedelta(microseconds=1)
BEYOND = 1e26  # no decimal of a contract comes near; what does is no number either
FLAT = r"^\s*\{[^{}]*\}\s*$"
NESTED = r"(?s)^\s*\{.*\}\s*$"
MICROS = {
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}


def parse_text(lines: DataFrame, event: Event) -> DataFrame:
    """Lines (raw, source_file, landed_hour) -> the same plus one typed column per field and `_corrupt`."""
    parsed = lines.withColumn("_p", _parsed({f.name: _parsed_type(f) for f in event.fields}))
    fields = [_typed(F.col("_p")[f.name], f).alias(f.name) for f in event.fields]
    corrupt = F.col("_p").isNull() | F.col("_p._corrupt").isNotNull() | ~_one_object()
    lost = [_given(F.col("_p")[f.name], f) & _typed(F.col("_p")[f.name], f).isNull() for f in event.fields]
    return parsed.select("raw", "source_file", "landed_hour", *fields, _any([corrupt, *lost]).alias("_corrupt"))


def quoted(name: str) -> Column:
    """A column by its name, whatever is in it."""
    return F.col("`" + name.replace("`", "``") + "`")


def as_text(columns: list[str]) -> Column:
    """A row of a columnar file as the line it would be."""
    return F.to_json(F.struct(*[quoted(c) for c in columns]), MICROS)


def parse_columns(rows: DataFrame, event: Event) -> DataFrame:
    """Parquet rows with source_file and landed_hour -> as `parse_text`; raw is the row as JSON."""
    given = StructType([f for f in rows.schema.fields if f.name not in ("source_file", "landed_hour")])
    names = {f.name: f.dataType.typeName() for f in given.fields}
    fields, lost = [], []
    for field in event.fields:
        found = F.col(f"`{field.name}`") if field.name in names else F.lit(None)
        value = _from_parquet(found, names.get(field.name, "void"), field)
        fields.append(value.alias(field.name))
        lost.append(found.isNotNull() & value.isNull())
    raw = as_text(list(names)).alias("raw")
    return rows.select(raw, "source_file", "landed_hour", *fields, _any(lost).alias("_corrupt"))


def _parsed(types: dict[str, str]) -> Column:
    """raw as a struct of these fields and `_corrupt`, which is set when any of them is not of its type."""
    schema = ", ".join(f"`{name}` {type_}" for name, type_ in types.items()) + ", `_corrupt` STRING"
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": "_corrupt", "allowNonNumericNumbers": "false"}
    return F.from_json("raw", schema, options)


def _one_object() -> Column:
    """Whether a line is one JSON object: the parser itself stops after the first and does not see a second."""
    alone = F.json_array_length(F.concat(F.lit("["), "raw", F.lit("]"))) == 1
    return F.col("raw").rlike(FLAT) | (F.col("raw").rlike(NESTED) & F.coalesce(alone, F.lit(False)))


def _parsed_type(field: Field) -> str:
    """A type whose parser takes no text for a number; free text is read as VARIANT, which knows what it was."""
    if _is_free_text(field):
        return "VARIANT"
    kind = field.type.split("(")[0]
    return {"TIMESTAMP": "STRING", "DECIMAL": "DOUBLE", "SMALLINT": "BIGINT", "INT": "BIGINT"}.get(kind, field.type)


def _is_free_text(field: Field) -> bool:
    return field.type == "STRING" and not field.values


def _given(value: Column, field: Field) -> Column:
    return value.isNotNull() & ~F.is_variant_null(value) if _is_free_text(field) else value.isNotNull()


def _typed(value: Column, field: Field) -> Column:
    if _is_free_text(field):
        return F.when(F.schema_of_variant(value) == "STRING", F.try_variant_get(value, "$", "STRING"))
    if field.type.startswith("DECIMAL"):
        return _finite(value)
    return _instant(value) if field.type == "TIMESTAMP" else value


def _finite(value: Column) -> Column:
    """A decimal while it is judged, before the contract's scale rounds it: DOUBLE holds its 15 digits, and is fast."""
    return F.when(F.abs(value) < BEYOND, value)


def _instant(text: Column) -> Column:
    return F.when(text.rlike(ISO), text.try_cast("timestamp"))


def _from_parquet(value: Column, found: str, field: Field) -> Column:
    wanted = {"DECIMAL": "DOUBLE", "SMALLINT": "BIGINT", "INT": "BIGINT"}.get(field.type.split("(")[0], field.type)
    integral, fractional = ("byte", "short", "integer", "long"), ("float", "double", "decimal")
    if field.type == "TIMESTAMP":
        if found in ("timestamp", "timestamp_ntz"):
            return value.cast("timestamp")
        return _instant(value) if found == "string" else F.lit(None).cast("timestamp")
    fits = (
        (wanted == "BIGINT" and found in integral)
        or (wanted == "DOUBLE" and found in (*integral, *fractional))
        or (wanted == "STRING" and found == "string")
        or (found in ("boolean", "date", "array") and wanted.lower().startswith(found))
    )
    typed = value.try_cast(wanted) if fits else F.lit(None).cast(wanted)
    return _finite(typed) if wanted == "DOUBLE" else typed


def enrich(parsed: DataFrame, event: Event, settings: Settings) -> DataFrame:
    """Adds id_ts and impression_hour where records carry an impression_id."""
    if "impression_id" not in [f.name for f in event.fields]:
        return parsed
    dated = parsed.withColumn("id_ts", minted_ts("impression_id", settings.snowflake_epoch_ms))
    return dated.withColumn("impression_hour", F.date_trunc("hour", "id_ts"))


def _value_faults(event: Event) -> Iterator[tuple[str, Column]]:
    for field in event.fields:
        value = F.col(field.name)
        if field.values:
            yield f"out_of_set:{field.name}", ~value.isin(*field.values)
        if field.low is not None:
            yield f"out_of_range:{field.name}", value < _limit(field, field.low)
        if field.high is not None:
            yield f"out_of_range:{field.name}", value > _limit(field, field.high)


def _limit(field: Field, limit: float) -> Column:
    """In the type values are judged in: a comparison of two types would go through decimals of 38 digits."""
    return F.lit(float(limit)) if field.type.startswith("DECIMAL") else F.lit(int(limit)).cast("bigint")


def _time_faults(event: Event, settings: Settings) -> Iterator[tuple[str, Column]]:
    """Compared as microseconds: a timestamp plus an interval goes by the calendar, record by record, and is slow."""
    landed, day = F.unix_micros("landed_hour"), timedelta(days=1)
    ahead = timedelta(minutes=60 + settings.future_minutes)
    for time, limit in event.times:
        told = F.expr(f"unix_micros({time})")
        kept = settings.facts_days - event.behind_days
        back = (kept if limit == FACTS_KEPT else settings.lateness_days) * day
        yield "in_future", told > landed + F.lit(ahead // MICROSECOND)
        yield "too_late", told < landed - F.lit(back // MICROSECOND)


def faults(event: Event, settings: Settings) -> list[tuple[str, Column]]:
    """(reason, predicate) of everything that can be wrong with a record whose fields have the right types."""
    rules = [(reason, F.expr(sql)) for reason, sql in event.rules]
    return [*_value_faults(event), *_time_faults(event, settings), *rules]


def _absent(event: Event) -> list[Column]:
    return [F.col(f.name).isNull() & _required(f, event) for f in event.fields if not f.nullable]


def _required(field: Field, event: Event) -> Column:
    """An optional field of a closing record (delete, retire) may be absent."""
    if field.name not in event.unless_closing:
        return F.lit(True)
    return ~F.coalesce(F.col("op").isin(*CLOSING), F.lit(False))


def _any(conditions: list[Column]) -> Column:
    return reduce(lambda a, b: a | b, [F.coalesce(c, F.lit(False)) for c in conditions], F.lit(False))


def is_bad(event: Event, settings: Settings) -> Column:
    """True for a record that goes to quarantine."""
    return _any([F.col("_corrupt"), *_absent(event), *[fault for _, fault in faults(event, settings)]])


def reasons(event: Event, settings: Settings) -> Column:
    """All reasons, from the typed fields and the raw text: an array of codes without repeats."""
    text = _parsed({f.name: "STRING" for f in event.fields})
    whole = _one_object() & text.isNotNull() & text["_corrupt"].isNull()
    codes = [F.when(~whole, F.lit("unparseable"))]
    for field in event.fields:
        present = text[field.name].isNotNull()
        missing = whole & ~present & _required(field, event) if not field.nullable else F.lit(False)
        codes.append(F.when(missing, F.lit(f"missing:{field.name}")))
        codes.append(F.when(whole & present & F.col(field.name).isNull(), F.lit(f"wrong_type:{field.name}")))
    codes += [F.when(fault, F.lit(reason)) for reason, fault in faults(event, settings)]
    found = F.array_distinct(F.array_compact(F.array(*codes)))
    return F.when(F.size(found) > 0, found).otherwise(F.array(F.lit("unparseable")))
