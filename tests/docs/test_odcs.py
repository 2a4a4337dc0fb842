"""Data contracts are valid by the JSON schema of the Open Data Contract Standard, and say what the contracts say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft201909Validator
from support.command_line import feed_etl

from etl import catalog, conf
from etl.docs import odcs
from etl.engine.quality import suites
from etl.model.contract import Table

STANDARD = Path(__file__).parent / "odcs" / "odcs-json-schema-v3.1.0.json"
VALIDATOR = Draft201909Validator(json.loads(STANDARD.read_text(encoding="utf-8")))
SETTINGS = conf.load("local")


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Every document by the name of its table, as a program reads it from the files."""
    folder = tmp_path_factory.mktemp("contracts")
    odcs.write(folder, SETTINGS)
    return {file.name.removesuffix(odcs.SUFFIX): yaml.safe_load(file.read_text()) for file in folder.iterdir()}


def columns(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The columns of a document by name."""
    return {column["name"]: column for column in document["schema"][0]["properties"]}


def test_every_table_has_a_valid_document(documents: dict[str, dict[str, Any]]) -> None:
    faults = [
        f"{name} {'.'.join(map(str, fault.absolute_path))}: {fault.message}"
        for name, document in documents.items()
        for fault in VALIDATOR.iter_errors(document)
    ]
    assert (faults, set(documents)) == ([], set(catalog.entries()))


def test_the_validator_refuses_a_document_that_is_not_of_the_standard(documents: dict[str, dict[str, Any]]) -> None:
    """Without this test, a validator that accepts everything would pass the test above."""
    assert not VALIDATOR.is_valid({**documents["fct_impressions"], "retention": 30})
    assert not VALIDATOR.is_valid({**documents["fct_impressions"], "kind": "Table"})


@pytest.mark.parametrize("table", catalog.tables(), ids=lambda table: table.name)
def test_a_document_has_the_columns_key_and_partition_of_its_contract(
    documents: dict[str, dict[str, Any]], table: Table
) -> None:
    found = columns(documents[table.name])
    types = {name: (column["physicalType"], column["required"]) for name, column in found.items()}
    assert types == {column.name: (column.type, not column.nullable) for column in table.columns}
    for given, position in ((table.key, "primaryKeyPosition"), (table.partition, "partitionKeyPosition")):
        places = {column[position]: name for name, column in found.items() if position in column}
        assert tuple(places[i] for i in sorted(places)) == given


@pytest.mark.parametrize("table", catalog.tables(), ids=lambda table: table.name)
def test_every_rule_of_a_suite_is_a_quality_check(documents: dict[str, dict[str, Any]], table: Table) -> None:
    document = documents[table.name]
    checks = [*document["schema"][0]["quality"], *(q for c in columns(document).values() for q in c.get("quality", []))]
    assert sorted(check["name"] for check in checks) == sorted(rule.name for rule in suites.suite(table))


def test_a_document_says_who_owns_the_table_and_how_long_rows_are_kept(documents: dict[str, dict[str, Any]]) -> None:
    document = documents["fct_impressions"]
    levels = {level["property"]: (level["value"], level["unit"]) for level in document["slaProperties"]}
    assert levels == {"frequency": (1, "h"), "lateness": (7, "d"), "retention": (30, "d")}
    assert document["team"] == {"name": "ranking", "members": [{"username": "ranking@localhost", "role": "owner"}]}
    assert document["domain"] == "feed"


def test_a_column_that_refers_to_a_dimension_names_it(documents: dict[str, dict[str, Any]]) -> None:
    table = catalog.entry("fct_impressions").table
    (reference,) = table.references
    found = columns(documents["fct_impressions"])[reference.column]
    assert found["relationships"] == [{"to": f"{reference.to.name}.{reference.to_column}"}]


@pytest.mark.parametrize(
    ("lake", "server"),
    [
        ("s3a://lake/prod", {"type": "s3", "location": "s3://lake/prod/facts/fct_shares"}),
        ("abfss://lake@account.dfs.core.windows.net/prod",
         {"type": "azure", "location": "abfss://lake@account.dfs.core.windows.net/prod/facts/fct_shares"}),
        ("hdfs://name:8020/lake", {"type": "custom", "location": "hdfs://name:8020/lake/facts/fct_shares"}),
        ("/srv/lake", {"type": "local", "path": "/srv/lake/facts/fct_shares"}),
    ],
)  # fmt: skip
def test_a_document_says_where_the_table_is(lake: str, server: dict[str, str]) -> None:
    document = odcs.contract(catalog.entry("fct_shares"), SETTINGS.model_copy(update={"lake": lake}))
    assert document["servers"] == [{"server": "lake", **server, "format": "delta"}]
    assert VALIDATOR.is_valid(document)


def test_documents_of_tables_that_no_longer_exist_are_removed(tmp_path: Path) -> None:
    """A file that somebody else put there stays."""
    (tmp_path / f"fct_gone{odcs.SUFFIX}").write_text(odcs.MARK + "kind: DataContract\n")
    (tmp_path / f"own{odcs.SUFFIX}").write_text("kind: DataContract\n")
    odcs.write(tmp_path, SETTINGS)
    assert not (tmp_path / f"fct_gone{odcs.SUFFIX}").exists()
    assert (tmp_path / f"own{odcs.SUFFIX}").exists()


def test_the_command_needs_no_java(tmp_path: Path) -> None:
    done = feed_etl("docs", "--format", "odcs", "--out", str(tmp_path / "contracts"), PATH="", JAVA_HOME="/none")
    assert (done.returncode, len(list((tmp_path / "contracts").iterdir()))) == (0, len(catalog.entries()))
