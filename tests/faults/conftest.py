"""A lake with one more landed file of shares in its last hour, and the expected state after a run without a fault."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.lakes import copy
from support.local_lake import END, START, Simulated
from test_order import content, recorded

from etl.conf import Settings
from etl.engine.jobs import runner

TABLES = ["bronze_shares", "fct_shares"]
LATE = {"share_id": 77, "original_post_id": 1, "shared_post_id": 2, "viewer_id": 5, "channel": "late"}
State = tuple[dict[str, object], dict[str, object]]


def state(spark: SparkSession, settings: Settings) -> State:
    """Rows and ledger state of the tables that the file changes."""
    found, known = content(spark, settings), recorded(spark, settings)
    return {"rows": found["fct_shares"]}, {"ledger": known["fct_shares"]}


@pytest.fixture
def late(simulated: Simulated, tmp_path: Path) -> Iterator[Settings]:
    """A lake with a landed file that no run has read."""
    settings = copy(simulated, tmp_path)
    land(settings)
    yield settings
    shutil.rmtree(settings.lake)


def land(settings: Settings) -> Path:
    """Land one share of the first hour in the last hour."""
    file = Path(settings.landing) / "shares" / "hour=2026-06-01T10" / "late.jsonl"
    file.write_text(json.dumps(LATE | {"share_ts": START.isoformat()}) + "\n")
    return file


@pytest.fixture(scope="module")
def unharmed(spark: SparkSession, simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> State:
    """The state after a run without a fault."""
    settings = copy(simulated, tmp_path_factory.mktemp("unharmed"))
    land(settings)
    assert not runner.run(spark, settings, START, END, tables=TABLES).errors
    return state(spark, settings)
