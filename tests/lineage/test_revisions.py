"""What a change since another revision breaks, on descriptions of two small tables and a query."""

from __future__ import annotations

import copy
import subprocess
from pathlib import Path
from typing import Any

import pytest

from etl import conf
from etl.errors import ConfigError, ContractViolation
from etl.lineage.flow import ROWS, Source
from etl.lineage.revisions import checkout
from etl.lineage.revisions.comparison import Difference, Reach, differences, is_wider, reach

Change = tuple[str, ...]


def column(type_: str = "BIGINT", nullable: bool = False) -> dict[str, Any]:
    """A column without limits."""
    return {"type": type_, "nullable": nullable, "values": [], "range": [None, None]}


def table(columns: dict[str, Any], key: str) -> dict[str, Any]:
    """A table that replaces hours."""
    return {"owner": "ads", "key": [key], "partition": ["hour"], "write": "Replace", "columns": columns, "logic": ["a"]}


OLD: dict[str, Any] = {
    "tables": {
        "fct": table({"id": column(), "cost": column("DECIMAL(8,2)"), "note": column("STRING", True)}, "id"),
        "mart": table({"day": column("DATE"), "spend": column("DECIMAL(18,2)")}, "day"),
    },
    "events": {"landing.clicks": {"id": column(), "cost": column("DECIMAL(8,2)")}},
    "edges": [
        ["landing.clicks", "id", "fct", "id", "value"],
        ["landing.clicks", "cost", "fct", "cost", "value"],
        ["fct", "cost", "mart", "spend", "value"],
    ],
    "queries": {"top_spend": [["mart", "spend"]], "notes": [["fct", "note"]]},
    "pages": {"spend_hours": [["mart", "spend"]]},
}


def changed(*path: str, to: Any = None) -> dict[str, Any]:
    """The old description with the value at a path changed, or removed."""
    new = copy.deepcopy(OLD)
    inside = new
    for key in path[:-1]:
        inside = inside[key]
    if to is None:
        del inside[path[-1]]
    else:
        inside[path[-1]] = to
    return new


def test_equal_descriptions_do_not_differ() -> None:
    assert differences(OLD, copy.deepcopy(OLD)) == []


def test_a_new_table_and_a_new_column_are_no_difference() -> None:
    """Nothing reads them yet."""
    new = changed("tables", "fct", "columns", "added", to=column())
    new["tables"]["new"] = table({}, "id")
    assert differences(OLD, new) == []


@pytest.mark.parametrize(
    ("new", "what", "words"),
    [
        (changed("tables", "mart"), Source("mart", ROWS), "the table is removed"),
        (changed("events", "landing.clicks"), Source("landing.clicks", ROWS), "the event is removed"),
        (changed("tables", "fct", "columns", "cost"), Source("fct", "cost"), "the column is removed"),
        (changed("tables", "fct", "key", to=["id", "note"]), Source("fct", ROWS), "key is id, note, was id"),
        (changed("tables", "fct", "partition", to=[]), Source("fct", ROWS), "partition is none, was hour"),
        (changed("tables", "fct", "write", to="Scd2"), Source("fct", ROWS), "write mode is Scd2, was Replace"),
        (changed("tables", "fct", "columns", "id", "type", to="INT"), Source("fct", "id"), "type is INT, was BIGINT"),
    ],
)
def test_a_change_that_breaks_readers_is_breaking(new: dict[str, Any], what: Source, words: str) -> None:
    assert differences(OLD, new) == [Difference(what, words, True)]


@pytest.mark.parametrize(
    ("path", "to", "words"),
    [
        (("tables", "fct", "logic"), ["b"], "the logic has changed"),
        (("tables", "fct", "columns", "cost", "type"), "DECIMAL(10,4)", "type is DECIMAL(10,4), was DECIMAL(8,2)"),
        (("tables", "fct", "columns", "id", "nullable"), True, "NULL is allowed now"),
        (("tables", "fct", "columns", "id", "values"), ["1"], "allowed values: 1, was any"),
        (("tables", "fct", "columns", "id", "range"), [0, None], "allowed range: 0, any, was any, any"),
    ],
)
def test_a_change_of_values_is_not_breaking(path: tuple[str, ...], to: Any, words: str) -> None:
    (found,) = differences(OLD, changed(*path, to=to))
    assert (found.text, found.is_breaking) == (words, False)


@pytest.mark.parametrize(
    ("old", "new", "wider"),
    [
        ("INT", "BIGINT", True),
        ("BIGINT", "INT", False),
        ("DECIMAL(8,2)", "DECIMAL(10,4)", True),
        ("DECIMAL(8,2)", "DECIMAL(10,6)", False),
        ("DECIMAL(8,2)", "DECIMAL(9,1)", False),
        ("STRING", "BIGINT", False),
        ("INT", "STRING", False),
    ],
)
def test_a_type_is_wider_when_it_holds_every_value(old: str, new: str, wider: bool) -> None:
    assert is_wider(old, new) is wider


def test_a_removed_column_reaches_what_read_it_in_the_old_revision() -> None:
    """The new revision has no edge from the column any more, so its own lineage alone would find nothing."""
    new = changed("tables", "fct", "columns", "cost")
    new["edges"] = []
    new["queries"] = {}
    expected = Reach({"fct": ["cost"], "mart": ["spend"]}, ["top_spend"], ["spend_hours"])
    assert (reach(OLD, new, differences(OLD, new)), expected.size) == (expected, 4)


def test_changed_logic_reaches_every_column_of_the_table() -> None:
    new = changed("tables", "fct", "logic", to=["b"])
    found = reach(OLD, new, differences(OLD, new))
    assert found.tables == {"fct": [ROWS, "cost", "id", "note"], "mart": ["spend"]}
    assert found.queries == ["notes", "top_spend"]


def test_a_removed_event_reaches_its_tables() -> None:
    new = changed("events", "landing.clicks")
    assert set(reach(OLD, new, differences(OLD, new)).tables) == {"landing.clicks", "fct", "mart"}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with one commit that has no tables."""
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "none", "--allow-empty")):
        identity = ("-c", "user.name=t", "-c", "user.email=t@localhost")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True)
    monkeypatch.setattr(conf, "home", lambda: tmp_path)
    return tmp_path


@pytest.mark.usefixtures("repository")
def test_an_unknown_revision_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"no revision 'v9'.*fetch the whole history"):
        checkout.describe("v9")


@pytest.mark.usefixtures("repository")
def test_a_revision_cannot_be_an_option_of_git() -> None:
    with pytest.raises(ConfigError, match="no revision '--all'"):
        checkout.describe("--all")


@pytest.mark.usefixtures("repository")
def test_a_revision_without_tables_is_an_error() -> None:
    with pytest.raises(ContractViolation, match="no folders etl, conf, expectations"):
        checkout.describe("HEAD")
