"""The subject of CONTRIBUTING.md: put into a copy of this tree, it needs no change of any other file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.repository import copy_repository

from etl import conf
from etl.engine.spark import session

HOURS = ["--from", "2026-06-01T10", "--to", "2026-06-01T12"]
PLAYS = 200


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this tree with the example laid over it."""
    copy = copy_repository(tmp_path_factory.mktemp("example") / "tree")
    shutil.copytree(conf.home() / "examples" / "subject", copy, dirs_exist_ok=True)
    return copy


def run(tree: Path, *command: str) -> str:
    """A command in the copy, which it takes for the project; returns its output."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tree),
        "PYTHONPATH": f"{tree}:{tree / 'tests'}",
        "FEED_ETL_HOME": str(tree),
        "FEED_ETL_KEYS": str(tree / "keys"),
        "FEED_ETL_SPARK": json.dumps(session.FEW_ROWS),
        **{name: value for name, value in os.environ.items() if name == "JAVA_HOME"},
    }
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def feed_etl(tree: Path, *arguments: str) -> str:
    """A command of `feed-etl` over a lake in the copy."""
    places = ["--lake", str(tree / "lake"), "--landing", str(tree / "landing")]
    return run(tree, sys.executable, str(tree / "etl" / "airflow" / "application.py"), *places, *arguments)


def test_the_tests_of_the_subject_pass_and_those_of_every_table(tree: Path) -> None:
    tests = ("tests/test_catalog.py", "tests/test_layers.py", "tests/model", "tests/subjects/radio")
    run(tree, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)


def test_it_is_simulated_run_queried_and_shown_on_the_dashboard(tree: Path) -> None:
    feed_etl(tree, "simulate", "--subject", "radio", *HOURS, "--impressions-per-hour", str(PLAYS))
    feed_etl(tree, "run", "--subject", "radio", *HOURS)
    found = json.loads(feed_etl(tree, "query", "top_stations", "--format", "json"))
    feed_etl(tree, "report", "dashboard", "--out", str(tree / "page.html"))

    assert sum(row["plays"] for row in found) == 2 * PLAYS
    assert found[0]["station_name"].startswith("Station ")
    page = (tree / "page.html").read_text(encoding="utf-8")
    assert "Plays per station" in page and 'id="radio"' in page
