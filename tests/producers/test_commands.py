"""What the commands for producers print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import fastavro
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from etl import catalog
from etl.cli import app
from etl.conf import Settings
from etl.errors import ConfigError
from etl.producers import contract
from etl.subjects.feed.events import SHARES


def test_describe_takes_events_and_tables() -> None:
    event = CliRunner().invoke(app, ["describe", "shares"])
    assert event.exit_code == 0 and "share_ts: at most 7 days before its landed hour" in event.stdout
    example = json.loads(event.stdout.strip().splitlines()[-1])
    assert set(example) == {f.name for f in SHARES.fields}
    document = json.loads(CliRunner().invoke(app, ["describe", "shares", "--json"]).stdout)
    assert document["example"] == example
    assert "One row per" in CliRunner().invoke(app, ["describe", "bronze_shares"]).stdout


def test_no_event_has_the_name_of_a_table() -> None:
    assert not {event.name for event in catalog.landing_events()} & set(catalog.entries())


def test_schemas_are_printed_in_each_language() -> None:
    printed = {
        f: CliRunner().invoke(app, ["schema", "shares", "--format", f]).stdout for f in ("json-schema", "avro", "ddl")
    }
    assert json.loads(printed["json-schema"])["title"] == "shares"
    fastavro.parse_schema(json.loads(printed["avro"]))
    assert printed["ddl"].startswith("share_id BIGINT NOT NULL COMMENT 'One share',\n")


@pytest.mark.parametrize("words", [["schema", "nothing"], ["validate", "a.jsonl", "--event", "nothing"]])
def test_an_unknown_event_is_an_error_that_lists_the_events(words: list[str]) -> None:
    found = CliRunner().invoke(app, words)
    assert isinstance(found.exception, ConfigError) and "Events: " in str(found.exception)


def test_validate_tells_scripts_and_people(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text(json.dumps(contract.example(SHARES, settings)))
    bad.write_text(json.dumps(contract.example(SHARES, settings) | {"Channel": "dm", "shared_post_id": 1.5}))
    words = ["validate", str(good), str(bad), "--event", "shares", "--hour", "2026-06-01T10"]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 4
    assert "1 of 1 records" in found.stdout and "unknown field `Channel`: did you mean `channel`?" in found.stdout
    assert "line 1: wrong_type:shared_post_id  shared_post_id = 1.5" in found.stdout
    document = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert [v["passes"] for v in document] == [True, False]
    assert CliRunner().invoke(app, [words[0], str(good), *words[3:]]).exit_code == 0
