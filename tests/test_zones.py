"""Every command prints UTC in every time zone of the host. The hour that clocks show twice stays two hours."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support import zone_commands
from support.command_line import SOME_TIME

NEW_YORK = "America/New_York"  # clocks go back one hour in November
OTHERS = (NEW_YORK, "Australia/Lord_Howe")  # clocks go back half an hour in April
HOURS = ("2026-11-01T05", "2026-11-01T06")  # both are 01:00 in New York
COMPARED = ("table_name", "range_from", "range_to", "handled", "hours", "touched")  # equal for equal data


def land(folder: Path) -> None:
    """Land three shares of post 1 in each of the two hours."""
    for hour in HOURS:
        shares = folder / "landing" / "shares" / f"hour={hour}"
        shares.mkdir(parents=True)
        lines = [
            {
                "share_id": int(hour[-2:]) * 10 + n,
                "original_post_id": 1,
                "shared_post_id": 9000 + int(hour[-2:]) * 10 + n,
                "viewer_id": 7,
                "share_ts": f"{hour}:1{n}:00Z",
                "channel": "link",
            }
            for n in (1, 2, 3)
        ]
        (shares / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """A function from a time zone to the output of each command, without parts that differ between runs."""
    return cache(lambda zone: _outputs(tmp_path_factory.mktemp("zone"), zone))


def _outputs(folder: Path, zone: str) -> dict[str, str]:
    land(folder)
    done = subprocess.run(
        [sys.executable, zone_commands.__file__, str(folder)],
        capture_output=True, text=True, timeout=SOME_TIME, env={**os.environ, "TZ": zone},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = {name: text.replace(str(folder), "") for name, text in json.loads(done.stdout).items()}
    found["ledger"] = json.dumps([_by_data(row) for row in json.loads(found["ledger"])])
    found["plan"] = re.sub(r'"seconds": [\d.]+', "", found["plan"])
    del found["run"]
    return found


def _by_data(row: dict[str, Any]) -> dict[str, Any]:
    """The parts of a ledger row that are equal in all runs. Checksums of bronze include the path of the landed file."""
    kept = {key: row[key] for key in COMPARED}
    if row["table_name"].startswith("bronze_"):
        kept["hours"] = [{key: hour[key] for key in ("hour", "row_count")} for hour in row["hours"]]
    return kept


@pytest.mark.slow
@pytest.mark.parametrize("zone", OTHERS)
def test_a_command_prints_the_same_in_every_zone(outputs: Callable[[str], dict[str, str]], zone: str) -> None:
    odd = {name: (text, outputs("UTC")[name]) for name, text in outputs(zone).items() if text != outputs("UTC")[name]}

    assert not odd


@pytest.mark.parametrize("zone", [NEW_YORK, *(pytest.param(z, marks=pytest.mark.slow) for z in ("UTC", OTHERS[1]))])
def test_the_hour_shown_twice_is_two_hours(outputs: Callable[[str], dict[str, str]], zone: str) -> None:
    five, six = (f"{hour}:00:00+00:00" for hour in HOURS)
    found = outputs(zone)
    rows: list[dict[str, Any]] = json.loads(found["sql-json"])

    assert [(r["share_hour"], r["struct"], r["map"], r["of_day"], r["shares"]) for r in rows] == [
        (five, [five], {"hour": five}, 5, 3),
        (six, [six], {"hour": six}, 6, 3),
    ]
    assert [r["list"] for r in rows] == [["2026-11-01T05:13:00+00:00"], ["2026-11-01T06:13:00+00:00"]]
    for name in ("sql-table", "sql-csv", "query-table", "query-csv", "query-json"):
        assert five in found[name] and six in found[name], name
    assert [r["hour"] for r in json.loads(found["query-json"])] == [five, six]
    assert '"n": 3' in found["sql-where"] or " 3 " in found["sql-where"]


def test_instants_and_days_of_any_year_are_printed(outputs: Callable[[str], dict[str, str]]) -> None:
    (row,) = json.loads(outputs(NEW_YORK)["sql-extremes"])

    assert row == {
        "first": "0001-01-01T00:00:00+00:00", "last": "9999-12-31T23:59:59.999999+00:00",
        "beyond": "+57441-01-01T00:00:00+00:00", "day": "0001-01-01", "clock": "2026-11-01T01:30:00",
        "month": "INTERVAL '1' MONTH", "time": "01:30:00",
    }  # fmt: skip


def test_only_the_invalid_command_fails(outputs: Callable[[str], dict[str, str]]) -> None:
    failed = {name: text for name, text in outputs(NEW_YORK).items() if "Error: " in text[:60]}

    assert list(failed) == ["error"] and "2026-11-01T07 must be before end 2026-11-01T06" in failed["error"]
