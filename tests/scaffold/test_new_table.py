"""`feed-etl new-table` generates files that pass all checks, and never overwrites a file."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chispa.dataframe_comparer import DataFramesNotEqualError
from pyspark.sql import SparkSession
from support.repository import copy_repository

from etl.model.contract import Layer

NAMES = {"dims": "dim_made", "facts": "fct_made", "rollups": "agg_made", "marts": "mart_made"}
TOOLS = Path(sys.executable).parent


def run(home: Path, *command: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in a copy of the repository."""
    environment = {"PATH": str(TOOLS), "PYTHONPATH": f"{home}:{home / 'tests'}", "HOME": str(home)}
    return subprocess.run(command, cwd=home, env=environment, input=given, capture_output=True, text=True, timeout=300)


def new_table(home: Path, name: str, layer: str) -> subprocess.CompletedProcess[str]:
    """Run `feed-etl new-table` in a copy of the repository."""
    return run(home, sys.executable, "-c", "from etl.cli import main; main()", "new-table", name, "--layer", layer)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with a new table in each layer."""
    copy = copy_repository(tmp_path_factory.mktemp("scaffold") / "tree")
    for layer, name in NAMES.items():
        done = new_table(copy, name, layer)
        assert done.returncode == 0, done.stderr
    return copy


@pytest.fixture
def imports_of(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the new tables importable in this process."""
    for layer, name in NAMES.items():
        package = importlib.import_module(f"etl.subjects.feed.{layer}")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(home / "etl" / "subjects" / "feed" / layer)])
        monkeypatch.delitem(sys.modules, f"etl.subjects.feed.{layer}.{name}", raising=False)
    yield
    for layer, name in NAMES.items():
        sys.modules.pop(f"etl.subjects.feed.{layer}.{name}", None)


def test_new_tables_pass_the_checks_of_every_table(home: Path) -> None:
    """Run all catalog tests in the copy: vocabulary, suite, reasons, test file, input names."""
    done = run(home, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_catalog.py")
    assert done.returncode == 0, done.stdout[-2000:]
    listed = run(home, sys.executable, "-c", "from etl import catalog; print(*catalog.entries())").stdout.split()
    assert set(NAMES.values()) <= set(listed)


def test_new_tables_pass_ruff(home: Path) -> None:
    made = [str(file) for file in home.rglob("*_made.py")]
    assert len(made) == 2 * len(NAMES)
    for check in (("check",), ("format", "--check")):
        done = run(home, str(TOOLS / "ruff"), *check, "--no-cache", *made)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.usefixtures("imports_of")
def test_the_tests_of_a_new_table_pass_and_fail_when_its_transform_is_wrong(
    spark: SparkSession, home: Path, layer: str
) -> None:
    file = home / "tests" / "subjects" / "feed" / layer / f"test_{NAMES[layer]}.py"
    spec = importlib.util.spec_from_file_location(f"made_{layer}", file)
    assert spec and spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (test,) = [value for name, value in vars(module).items() if name.startswith("test_")]
    test(spark)

    right = module.transform
    module.transform = lambda rows: right(rows).limit(0)
    with pytest.raises(DataFramesNotEqualError):
        test(spark)


REFUSED = [
    ("fct_made", "facts", "Table fct_made already exists"),
    ("fct_impressions", "facts", "Table fct_impressions already exists"),
    ("mart_x", "facts", "Use a name like fct_something"),
    ("fct_X", "facts", "Use a name like fct_something"),
    ("fct_../../x", "facts", "Use a name like fct_something"),
    ("fct_a__b", "facts", "Use a name like fct_something"),
    ("fct_", "facts", "Use a name like fct_something"),
    ("fct_" + "x" * 61, "facts", "at most 64 characters"),
]
TRY_ALL = """
import json, sys
from etl.errors import ConfigError
from etl.model.contract import Layer
from etl.scaffold.new_table import make
for name, layer, _ in json.load(sys.stdin):
    try:
        print("made", make(name, Layer[layer.upper()]))
    except ConfigError as error:
        print(error)
"""


def files(home: Path) -> list[Path]:
    """Every file of a tree except Python caches."""
    return sorted(file for file in home.rglob("*") if "__pycache__" not in file.parts)


def test_an_invalid_name_is_refused_and_nothing_is_written(home: Path) -> None:
    before = files(home)
    printed = run(home, sys.executable, "-c", TRY_ALL, given=json.dumps(REFUSED)).stdout.splitlines()
    assert [words for (_, _, words), line in zip(REFUSED, printed, strict=True) if words not in line] == []
    assert files(home) == before


def test_an_existing_file_is_never_overwritten(home: Path) -> None:
    """Only the suite exists: neither the module nor the test is written."""
    suite = home / "expectations" / "feed" / "fct_half.yaml"
    suite.write_text("mine\n")
    try:
        done = new_table(home, "fct_half", "facts")
        assert done.returncode == 2 and "Already exists" in done.stderr and "Traceback" not in done.stderr
        assert suite.read_text() == "mine\n"
        assert not (home / "etl" / "subjects" / "feed" / "facts" / "fct_half.py").exists()
    finally:
        suite.unlink()


def test_every_layer_above_bronze_can_have_a_new_table() -> None:
    assert set(NAMES) == {layer.name.lower() for layer in Layer} - {"bronze"}
