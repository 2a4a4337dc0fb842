"""What holds for every table there is, and for any that is added."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

from etl import catalog, conf
from etl.columns import VOCABULARY
from etl.contract import Layer, Table, WriteMode
from etl.engine import suites
from etl.errors import ConfigError, ContractViolation

TABLES = catalog.tables()
NAMES = [table.name for table in TABLES]
TESTS = Path(__file__).parent
by_table = pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)


def source(table: Table) -> ast.Module:
    """The module of a table, parsed."""
    return ast.parse(inspect.getsource(catalog.entry(table.name).module))


def made(**changes: object) -> ModuleType:
    """A table module that is right but for the changes."""
    module = ModuleType("etl.rollups.agg_made")
    table = Table("agg_made", Layer.ROLLUPS, (), (), WriteMode.REPLACE, "content")
    module.__dict__.update({"TABLE": table, "transform": lambda: None} | changes)
    return module


@by_table
def test_no_table_reads_a_later_layer(table: Table) -> None:
    assert all(i.table.layer <= table.layer for i in table.inputs)
    assert all(r.to.layer <= table.layer for r in table.references)


def test_tables_come_in_the_order_data_flows() -> None:
    assert [t.layer for t in TABLES] == sorted(t.layer for t in TABLES)
    assert all(NAMES.index(i.table.name) < NAMES.index(t.name) for t in TABLES for i in t.inputs)


@by_table
def test_a_module_makes_one_table_and_it_has_the_name_of_the_module(table: Table) -> None:
    made_here = [
        node for node in ast.walk(source(table)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Table"
    ]
    assert len(made_here) == 1
    assert catalog.entry(table.name).module.__name__ == f"etl.{table.layer.name.lower()}.{table.name}"


def test_every_module_of_a_layer_is_in_the_catalog() -> None:
    packages = [importlib.import_module(f"etl.{layer.name.lower()}") for layer in Layer]
    assert sorted(NAMES) == sorted(m.name for p in packages for m in pkgutil.iter_modules(p.__path__))


@by_table
def test_transform_names_its_inputs(table: Table) -> None:
    parameters = list(inspect.signature(catalog.entry(table.name).transform).parameters)
    from_landing = {"records"} if table.event else {"rejected"}
    assert set(parameters) == ({i.table.name for i in table.inputs} or from_landing)


@by_table
def test_a_table_module_does_no_reading_or_writing(table: Table) -> None:
    """transform is a pure function of DataFrames: no session, no path, no engine in its module."""
    imported = [ast.unparse(n) for n in ast.walk(source(table)) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert not [i for i in imported if "etl.engine" in i or "SparkSession" in i or "airflow" in i]
    used = {n.attr for n in ast.walk(source(table)) if isinstance(n, ast.Attribute)}
    assert not used & {"read", "write", "writeTo", "collect", "cache", "persist", "sparkSession"}


@by_table
def test_every_column_is_from_the_vocabulary(table: Table) -> None:
    for column in table.columns:
        known = VOCABULARY[column.name]
        assert column in (known, known.optional())


@by_table
def test_key_partition_and_the_rest_name_columns_of_the_table(table: Table) -> None:
    named = {
        *table.key,
        *table.partition,
        *table.cluster,
        *table.natural_key,
        *table.tracked,
        *table.checksum_skips,
    }
    named |= {table.surrogate} - {""} | {r.column for r in table.references} | {r.at for r in table.references}
    assert named <= set(table.column_names)
    assert len(set(table.column_names)) == len(table.column_names)


@by_table
def test_only_what_replaces_hours_arranges_its_rows_itself(table: Table) -> None:
    assert not table.arranged or (table.write is WriteMode.REPLACE and table.inputs and table.cluster)


@by_table
def test_an_input_is_watched_by_a_column_it_has(table: Table) -> None:
    assert all(i.by in ("", *i.table.column_names) for i in table.inputs)


@by_table
def test_every_table_has_a_suite_in_which_each_rule_has_a_reason_and_a_severity(table: Table) -> None:
    for rule in suites.written(table.name):
        assert rule.reason.strip() and rule.severity in suites.SEVERITIES


@by_table
def test_a_suite_names_only_columns_of_its_table(table: Table) -> None:
    for rule in suites.suite(table):
        named = {v for k, v in rule.kwargs.items() if k.startswith("column")}
        assert named <= set(table.column_names), rule.name


def test_no_suite_is_without_a_table() -> None:
    assert sorted(NAMES) == sorted(f.stem for f in (conf.home() / "expectations").iterdir())


@by_table
def test_every_table_has_a_test_file(table: Table) -> None:
    """The tables of bronze are all made alike and share one."""
    name = "test_records" if table.layer is Layer.BRONZE else f"test_{table.name}"
    assert (TESTS / table.layer.name.lower() / f"{name}.py").is_file()


@by_table
def test_every_table_module_says_what_one_row_is(table: Table) -> None:
    assert (catalog.entry(table.name).module.__doc__ or "").startswith("One row per ")


def test_a_module_without_a_table_is_refused() -> None:
    with pytest.raises(ContractViolation, match="must define one TABLE"):
        catalog._entry(made(TABLE=None))


def test_a_module_without_a_transform_is_refused() -> None:
    with pytest.raises(ContractViolation, match="transform"):
        catalog._entry(made(transform=None))


def test_a_table_with_another_name_than_its_module_is_refused() -> None:
    with pytest.raises(ContractViolation, match="agg_other"):
        catalog._entry(made(TABLE=Table("agg_other", Layer.ROLLUPS, (), (), WriteMode.REPLACE, "content")))


def test_a_table_that_reads_a_later_layer_is_refused() -> None:
    from etl.contract import Input
    from etl.marts import mart_post_engagement_daily

    inputs = (Input(mart_post_engagement_daily.TABLE),)
    table = Table("agg_made", Layer.ROLLUPS, (), (), WriteMode.REPLACE, "content", inputs=inputs)
    with pytest.raises(ContractViolation, match="agg_made reads a later layer: mart_post_engagement_daily"):
        catalog._entry(made(TABLE=table))


def test_an_unknown_table_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no table 'fct_impresions'\. Tables: .*fct_impressions"):
        catalog.entry("fct_impresions")


def test_selected_tables_come_in_the_order_data_flows() -> None:
    chosen = catalog.select(["mart_user_affinity_daily", "fct_impressions", "bronze_posts"])
    assert [e.table.name for e in chosen] == ["bronze_posts", "fct_impressions", "mart_user_affinity_daily"]
