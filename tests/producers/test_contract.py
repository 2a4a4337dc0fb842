"""The description, the schemas and the example of every event agree with what landing accepts."""

from __future__ import annotations

import copy
import io
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import fastavro
import jsonschema
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType
from support.verdicts import verdicts

from etl import catalog
from etl.conf import Settings
from etl.model.contract import Event
from etl.producers import contract, schemas
from etl.subjects.feed.events import ENGAGEMENTS, IMPRESSIONS, POSTS

EVENTS = [pytest.param(event, id=event.name) for event in catalog.landing_events()]


def as_avro(event: Event, record: dict[str, Any]) -> dict[str, Any]:
    """A record of JSON values with the Python values of Avro's logical types."""
    read = {"TIMESTAMP": datetime.fromisoformat, "DATE": date.fromisoformat}
    found = {}
    for field in event.fields:
        value = record.get(field.name)
        if value is not None and field.type in read:
            value = read[field.type](value)
        elif value is not None and field.type.startswith("DECIMAL"):
            value = Decimal(str(value))
        found[field.name] = value
    return found


@pytest.mark.parametrize("event", EVENTS)
def test_the_example_is_valid_in_the_schema_of_every_language(event: Event, settings: Settings) -> None:
    example = contract.example(event, settings)
    document = schemas.json_schema(event)
    jsonschema.Draft202012Validator.check_schema(document)
    jsonschema.validate(example, document, jsonschema.Draft202012Validator)
    avro = fastavro.parse_schema(copy.deepcopy(schemas.avro(event)))
    fastavro.writer(io.BytesIO(), avro, [as_avro(event, example)])


def test_landing_accepts_every_example_as_json_and_as_avro(spark: SparkSession, settings: Settings) -> None:
    """The Avro file has the schema that `feed-etl schema` prints."""
    for event in catalog.landing_events():
        folder = Path(settings.landing) / event.name / "hour=2026-06-01T10"
        folder.mkdir(parents=True)
        example = contract.example(event, settings)
        (folder / "a.jsonl").write_text(json.dumps(example) + "\n")
        with (folder / "b.avro").open("wb") as file:
            fastavro.writer(file, fastavro.parse_schema(schemas.avro(event)), [as_avro(event, example)])
    found = {e.name: verdicts(spark, settings, e) for e in catalog.landing_events()}
    assert found == {name: {"a": [set()], "b": [set()]} for name in found}


def test_the_ddl_of_every_event_is_that_of_spark(spark: SparkSession) -> None:
    for event in catalog.landing_events():
        columns = cast(StructType, StructType.fromDDL(schemas.ddl(event))).fields
        assert [c.name for c in columns] == [f.name for f in event.fields]
        assert [c.dataType.simpleString().upper() for c in columns] == [f.type for f in event.fields]
        assert {c.name for c in columns if not c.nullable} == {
            name for name in event.required if name not in event.optional_on_close
        }


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"feed_position": -1}, False),
        ({"feed_position": "3"}, False),
        ({"surface": "sidebar"}, False),
        ({"impression_ts": "2026-06-01"}, False),
        ({"impression_ts": "2026-06-01T10:15:00+02:00"}, True),
        ({"viewer_id": None}, False),
        ({"viewer_id": 2**63}, False),
        ({"predicted_score": 100.0}, False),
        ({"device_id": None}, True),
        ({"something_else": 1}, True),
    ],
)
def test_json_schema_says_types_ranges_sets_and_patterns(
    change: dict[str, Any], valid: bool, settings: Settings
) -> None:
    record = contract.example(IMPRESSIONS, settings) | change
    assert jsonschema.Draft202012Validator(schemas.json_schema(IMPRESSIONS)).is_valid(record) is valid


@pytest.mark.parametrize(("op", "valid"), [("upsert", False), ("delete", True)])
def test_json_schema_requires_fewer_fields_of_a_closing_record(op: str, valid: bool) -> None:
    record = {"post_id": 1, "effective_ts": "2026-06-01T10:00:00Z", "op": op}
    assert jsonschema.Draft202012Validator(schemas.json_schema(POSTS)).is_valid(record) is valid


def test_the_description_names_keys_limits_and_places(settings: Settings) -> None:
    found = contract.document(ENGAGEMENTS, settings)
    assert found["folder"].endswith("/engagements/hour=2026-06-01T10/")
    assert found["keys"]["fct_engagements"] == list(catalog.entry("fct_engagements").table.key)
    assert found["lateness"][0].startswith("event_ts: at most 7 days before its landed hour")
    by_name = {field["name"]: field for field in found["fields"]}
    assert by_name["action"]["allowed"] == "do, undo" and by_name["comment_id"]["required"] == "no"
    assert {rule["reason"] for rule in found["rules"]} == {reason for reason, _ in ENGAGEMENTS.rules}
