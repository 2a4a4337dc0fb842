"""Rules that every table of the catalog must follow, including tables added later."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from etl import catalog, conf
from etl.engine.quality import suites
from etl.errors import ConfigError, ContractViolation
from etl.model.contract import Event, Layer, Replace, Table

TABLES = catalog.tables()
NAMES = [table.name for table in TABLES]
TESTS = Path(__file__).parent
by_table = pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)


def source(table: Table) -> ast.Module:
    """The module of a table, parsed."""
    return ast.parse(inspect.getsource(catalog.entry(table.name).module))


WRITTEN = [t for t in TABLES if catalog.entry(t.name).module.__name__.endswith(f".{t.name}")]
"""Tables that have a module. The others are bronze tables that are derived from their event."""
by_module = pytest.mark.parametrize("table", WRITTEN, ids=lambda t: t.name)


def made(**changes: object) -> ModuleType:
    """A valid table module with some changes."""
    module = ModuleType("etl.subjects.feed.rollups.agg_made")
    table = Table("agg_made", Layer.ROLLUPS, (), (), Replace(), "content")
    module.__dict__.update({"TABLE": table, "transform": lambda: None} | changes)
    return module


def test_tables_come_in_the_order_data_flows() -> None:
    assert [t.layer for t in TABLES] == sorted(t.layer for t in TABLES)
    assert all(NAMES.index(i.table.name) < NAMES.index(t.name) for t in TABLES for i in t.inputs)


@by_module
def test_a_module_defines_one_table_with_the_name_of_the_module(table: Table) -> None:
    made_here = [
        node for node in ast.walk(source(table)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Table"
    ]
    assert len(made_here) == 1
    assert catalog.entry(table.name).module.__name__.endswith(f".{table.layer.name.lower()}.{table.name}")


@by_module
def test_transform_names_its_inputs(table: Table) -> None:
    parameters = list(inspect.signature(catalog.entry(table.name).transform).parameters)
    from_landing = {"records"} if table.event else {"rejected"}
    assert set(parameters) == (set(table.sources) or from_landing)


@by_module
def test_a_table_module_neither_reads_nor_writes(table: Table) -> None:
    """transform is a pure function of DataFrames. Its module uses no session, no path and no engine."""
    imported = [ast.unparse(n) for n in ast.walk(source(table)) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert not [i for i in imported if "etl.engine" in i or "SparkSession" in i or "airflow" in i]
    used = {n.attr for n in ast.walk(source(table)) if isinstance(n, ast.Attribute)}
    assert not used & {"read", "write", "writeTo", "collect", "cache", "persist", "sparkSession"}


@by_table
def test_a_suite_names_only_columns_of_its_table(table: Table) -> None:
    for rule in suites.suite(table):
        named = {v for k, v in rule.kwargs.items() if k.startswith("column")}
        assert named <= set(table.column_names), rule.name


def test_every_suite_has_a_table_and_every_table_has_a_suite() -> None:
    assert sorted(NAMES) == sorted(f.stem for f in (conf.home() / "expectations").glob("*/*.yaml"))


@by_table
def test_a_suite_is_in_the_folder_of_its_subject(table: Table) -> None:
    assert suites.path(table.name).parent.name == catalog.folder(table)


@pytest.mark.parametrize("event", catalog.landing_events(), ids=lambda e: e.name)
def test_every_event_has_one_table_that_lands_it(event: Event) -> None:
    assert len([t for t in TABLES if t.event == event]) == 1


@by_module
def test_every_table_that_has_a_module_has_a_test_file(table: Table) -> None:
    """Derived bronze tables have no module; `tests/engine/landing/test_records.py` tests them."""
    name = f"{catalog.folder(table)}/{table.layer.name.lower()}/test_{table.name}.py"
    assert (TESTS / "subjects" / name).is_file()


@by_table
def test_the_docstring_of_every_table_says_what_one_row_is(table: Table) -> None:
    assert catalog.entry(table.name).doc.startswith("One row per ")


def test_a_module_without_a_table_is_rejected() -> None:
    with pytest.raises(ContractViolation, match="must define one TABLE"):
        catalog._entry(made(TABLE=None))


def test_a_module_without_a_transform_is_rejected() -> None:
    with pytest.raises(ContractViolation, match="transform"):
        catalog._entry(made(transform=None))


def test_a_table_with_another_name_than_its_module_is_rejected() -> None:
    with pytest.raises(ContractViolation, match="agg_other"):
        catalog._entry(made(TABLE=Table("agg_other", Layer.ROLLUPS, (), (), Replace(), "content")))


def test_the_error_for_an_unknown_table_lists_the_known_tables() -> None:
    with pytest.raises(ConfigError, match=r"no table 'fct_impresions'\. Did you mean `fct_impressions`.*Tables: "):
        catalog.entry("fct_impresions")


def test_selected_tables_come_in_the_order_data_flows() -> None:
    chosen = catalog.select(["mart_user_affinity_daily", "fct_impressions", "bronze_posts"])
    assert [e.table.name for e in chosen] == ["bronze_posts", "fct_impressions", "mart_user_affinity_daily"]
