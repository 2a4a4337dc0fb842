"""The upgrade drill: a lake made with one pair is run on with the other one, in both directions; contents are equal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.local_lake import START, local_settings

from etl import conf
from etl.conf import Settings
from etl.engine.state.planner import HOUR
from etl.subjects.feed.simulate import simulate

OTHER = conf.home() / ".venv-spark-4.1.3" / "bin" / "feed-etl"
OURS = Path(sys.executable).parent / "feed-etl"
CONTENT = "SELECT table_name, hour.hour, hour.row_count, hour.checksum FROM ledger LATERAL VIEW explode(hours) AS hour"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not OTHER.exists(), reason="needs `bin/setup-pair 4.1.3`")]


def feed_etl(program: Path, settings: Settings, *arguments: str) -> str:
    """Run a command of one of the two environments on a lake."""
    places = ("--lake", settings.lake, "--landing", settings.landing)
    return subprocess.run([program, *places, *arguments], capture_output=True, text=True, check=True).stdout


def made_with(folder: Path, landing: Path, *programs: Path) -> dict[tuple[str, str], tuple[int, str]]:
    """Make one hour with each of some programs, all after another; returns (table, hour) -> rows and checksum."""
    settings = local_settings(folder).model_copy(update={"landing": str(landing)})
    for number, program in enumerate(programs):
        hours = [f"{START + n * HOUR:%Y-%m-%dT%H}" for n in (number, number + 1)]
        feed_etl(program, settings, "run", "--from", hours[0], "--to", hours[1])
    feed_etl(programs[-1], settings, "check", "--deep")
    rows = json.loads(feed_etl(programs[-1], settings, "sql", f"{CONTENT} ORDER BY started_at", "--format", "json"))
    return {(row["table_name"], row["hour"]): (row["row_count"], row["checksum"]) for row in rows}


def test_a_lake_goes_on_with_the_other_pair_and_back(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    simulate(landing, START, START + 3 * HOUR, 300, 7)
    ours = made_with(tmp_path / "ours", landing, OURS, OURS, OURS)
    assert made_with(tmp_path / "upgraded", landing, OTHER, OURS, OTHER) == ours
    assert made_with(tmp_path / "downgraded", landing, OURS, OTHER, OURS) == ours
