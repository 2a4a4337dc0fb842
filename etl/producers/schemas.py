"""The schema of an event in the languages of producers: JSON Schema, Avro, and DDL of Spark SQL.

No language can say all that landing checks. JSON Schema says most: types, ranges, allowed values, patterns, required
fields. Rules that compare fields, and limits that depend on the landed hour, stay with `feed-etl validate`.
"""

from __future__ import annotations

import re
from typing import Any

from etl.engine.landing import records
from etl.engine.spark.literals import literal
from etl.model.contract import Column, Event
from etl.producers import contract
from etl.transforms.scd2 import CLOSING

NAMESPACE = "feed_etl"
AVRO_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
INTEGERS = {"BIGINT": 64, "INT": 32, "SMALLINT": 16}
"""Types of whole numbers, with their width in bits."""
AVRO = {"BIGINT": "long", "INT": "int", "SMALLINT": "int", "BOOLEAN": "boolean", "STRING": "string"}


def json_schema(event: Event) -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of one record in JSON Lines."""
    document: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:feed-etl:event:{event.name}",
        "title": event.name,
        "type": "object",
        "properties": {f.name: _json_property(f, event, _is_optional(f, event)) for f in event.fields},
        "required": [f.name for f in event.fields if not _is_optional(f, event)],
    }
    return document | (_unless_closed(event) if event.optional_on_close else {})


def _is_optional(field: Column, event: Event) -> bool:
    """Whether some record may lack the field."""
    return field.name not in event.required or field.name in event.optional_on_close


def _unless_closed(event: Event) -> dict[str, Any]:
    """Fields that a record must have unless its op closes a version."""
    present = {name: {"not": {"type": "null"}} for name in event.optional_on_close}
    return {
        "if": {"properties": {"op": {"enum": list(CLOSING)}}, "required": ["op"]},
        "else": {"required": list(event.optional_on_close), "properties": present},
    }


def _json_property(field: Column, event: Event, optional: bool) -> dict[str, Any]:
    """The schema of a field. An optional field may be null, which is the same as absent."""
    found = _json_type(field, event) | {"description": _meaning(field)}
    if optional:
        found["type"] = [found["type"], "null"]
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
    return found


def _json_type(field: Column, event: Event) -> dict[str, Any]:
    kind = field.type.split("(")[0]
    if kind in INTEGERS:
        largest = 2 ** (INTEGERS[kind] - 1)
        low, high = (None if limit is None else int(limit) for limit in (field.low, field.high))
        return {
            "type": "integer",
            "minimum": -largest if low is None else low,
            "maximum": largest - 1 if high is None else high,
        }
    if kind == "DECIMAL":
        limits = {"minimum": field.low, "maximum": field.high}
        return {"type": "number"} | {name: limit for name, limit in limits.items() if limit is not None}
    if kind == "ARRAY<BIGINT>":
        return {"type": "array", "items": {"type": ["integer", "null"], "minimum": -(2**63), "maximum": 2**63 - 1}}
    if kind == "BOOLEAN":
        return {"type": "boolean"}
    return {"type": "string"} | _text_limits(field, event)


def _text_limits(field: Column, event: Event) -> dict[str, Any]:
    if field.values:
        return {"enum": list(contract.values(field, event))}
    if field.type == "DATE":
        return {"format": "date", "pattern": _pattern(records.DAY)}
    return {"format": "date-time", "pattern": _pattern(records.ISO)} if field.type == "TIMESTAMP" else {}


def _pattern(java: str) -> str:
    r"""A regular expression of Java without `\z` and `\d`, which in ECMAScript and Python have other meanings."""
    return java.replace(r"\z", "$").replace(r"\d", "[0-9]")


def _meaning(field: Column) -> str:
    return f"{field.meaning} ({field.unit})" if field.unit else field.meaning


def avro(event: Event) -> dict[str, Any]:
    """An Avro schema of one record. Fields that some records may lack allow null."""
    return {
        "type": "record",
        "name": event.name,
        "namespace": NAMESPACE,
        "fields": [_avro_field(f, event, _is_optional(f, event)) for f in event.fields],
    }


def _avro_field(field: Column, event: Event, optional: bool) -> dict[str, Any]:
    found = {"name": field.name, "type": _avro_type(field, event), "doc": _meaning(field)}
    return found | {"type": ["null", found["type"]], "default": None} if optional else found


def _avro_type(field: Column, event: Event) -> Any:
    values = contract.values(field, event)
    if values and all(AVRO_NAME.fullmatch(value) for value in values):
        return {"type": "enum", "name": f"{field.name}_value", "symbols": list(values)}
    if field.type.startswith("DECIMAL"):
        precision, scale = map(int, re.findall(r"\d+", field.type))
        return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
    if field.type == "ARRAY<BIGINT>":
        return {"type": "array", "items": "long"}
    times = {"DATE": ("int", "date"), "TIMESTAMP": ("long", "timestamp-micros")}
    if field.type in times:
        stored, logical = times[field.type]
        return {"type": stored, "logicalType": logical}
    return AVRO[field.type]


def ddl(event: Event) -> str:
    """The columns of a Parquet file, as Spark SQL's DDL: what `StructType.fromDDL` and CREATE TABLE take."""
    return ",\n".join(_ddl_column(f, _is_optional(f, event)) for f in event.fields)


def _ddl_column(field: Column, optional: bool) -> str:
    return f"{field.name} {field.type}{'' if optional else ' NOT NULL'} COMMENT {literal(_meaning(field))}"
