"""`feed-etl status`: what it says of a lake, from the ledger alone, and in one line when there is none."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support.command_line import feed_etl, refused
from support.rows import at

from etl.commands import screen, status_screen
from etl.conf import Settings
from etl.engine.state.entry import Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.errors import LakeError
from etl.reports import status
from etl.reports.status import Status

GOLDEN = Path(__file__).parents[1] / "golden" / "0.1.0.tar.xz"
RULE = {"rule": "share_id is unique", "severity": "critical", "reason": "ids are keys", "count": 3, "of": 9}
BROKEN = json.dumps([{**RULE, "error": ""}])
NOON = at("12:30")


def landing(hour: str, **fields: Any) -> Entry:
    """A run that landed an hour of shares."""
    start = at(hour)
    return Entry("r", "bronze_shares", start + timedelta(hours=1), start, start + timedelta(hours=1), rows_written=9,
                 processed_hours=[start], fingerprints={start.isoformat(): "x"}, output_version=1,
                 affected_hours={"landed_hour": [start]}, **fields)  # fmt: skip


def of(settings: Settings, monkeypatch: pytest.MonkeyPatch, *entries: Entry, now: datetime = NOON) -> Status:
    """The status of a lake whose ledger has these rows."""
    monkeypatch.setattr("etl.engine.state.offline.ledger", lambda _: InMemoryLedger(*entries))
    return status.of_lake(settings, now)


def drawn(of_lake: Status, colors: bool = False) -> str:
    """The screen as text."""
    on = screen.console(io.StringIO()) if not colors else Console(file=io.StringIO(), force_terminal=True, width=80)
    status_screen.show(of_lake, on)
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def test_freshness_lag_and_quarantine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"records_read": 10, "records_accepted": 9, "records_quarantined": 1}
    found = of(settings, monkeypatch, landing("10:00", **counts))
    by_name = {each.table.name: each for each in found.tables}
    assert (found.landed, found.lag) == (at("10:00"), timedelta(minutes=90))
    assert (by_name["bronze_shares"].state, by_name["bronze_shares"].newest) == ("ok", at("10:00"))
    assert (by_name["fct_shares"].state, by_name["fct_shares"].due) == ("behind", 1)
    assert (found.quarantine.share, found.quarantine.worst) == (0.1, ("bronze_shares", 0.1))
    assert found.is_ok  # hours that wait for the next run are a warning


def test_the_backlog_says_how_many_hours_wait_and_for_how_long(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = of(settings, monkeypatch, landing("10:00"))
    waits = {each["name"]: each["oldest_due_seconds"] for each in found.as_json()["tables"]}
    since = found.now - found.last_run if found.last_run else timedelta()
    assert (waits["bronze_shares"], waits["fct_shares"]) == (0, since.total_seconds())
    assert "longest: fct_shares 90 min" in drawn(found)


def test_hours_that_failed_in_three_runs_are_to_be_recovered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = [
        Entry(f"run {n}", "fct_shares", at(f"12:0{n}"), verdict="failed", processed_hours=[at("10:00")])
        for n in range(3)
    ]
    found = of(settings, monkeypatch, landing("10:00"), *failed)
    step = next(each for each in found.todo if "recovery list" in each.what)
    assert step.what == "the recovery list has 1 hours, fct_shares has 1" and "feed-etl recover" in step.step


def test_hours_that_history_could_not_judge_are_counted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "without_verdict", lambda _ledger, table: 3 * (table.name == "bronze_shares"))
    found = of(settings, monkeypatch, landing("10:00"))
    assert "3 hours of 1 tables could not be judged by it" in drawn(found)
    assert max(each["hours_without_history_verdict"] for each in found.as_json()["tables"]) == 3


def test_an_hour_that_was_read_again_counts_once_in_the_quarantine(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = landing("10:00", records_read=10, records_quarantined=10)
    again = landing("10:00", records_read=10, records_quarantined=1)
    assert of(settings, monkeypatch, first, again).quarantine.share == 0.1


def test_a_red_gate_names_the_rule_the_table_and_the_next_step(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = of(settings, monkeypatch, landing("10:00", verdict="failed", failures=BROKEN, rules=9))
    by_name = {each.table.name: each.state for each in found.tables}
    (gate,) = [each for each in found.todo if not each.is_warning]
    assert not found.is_ok
    assert by_name["bronze_shares"] == "failed" and by_name["fct_shares"] == "waiting"
    assert "bronze_shares failed its gate: share_id is unique" in gate.what and gate.step
    assert "✗ bronze_shares" in drawn(found) and "failed" in drawn(found)


def test_a_clock_that_was_set_back_changes_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = landing("10:00", verdict="failed", failures=BROKEN)
    assert not of(settings, monkeypatch, failed, now=at("03:00")).is_ok


def test_the_screen_fits_80_columns_and_has_colors_only_on_a_terminal(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = of(settings, monkeypatch, landing("10:00", verdict="failed", failures=BROKEN))
    plain = drawn(found)
    assert max(map(len, plain.splitlines())) <= 80
    assert "\x1b" not in plain and "\x1b" in drawn(found, colors=True)
    assert "mart_post_engagement_daily" in plain  # the longest name is not cut


def test_a_terminal_without_unicode_gets_other_symbols(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    found = of(settings, monkeypatch, landing("10:00", verdict="failed", failures=BROKEN))
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    status_screen.show(found, screen.console(ascii_only))
    ascii_only.flush()
    assert b"x bronze_shares" in ascii_only.buffer.getvalue()


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake of the last release."""
    folder = tmp_path_factory.mktemp("golden")
    with tarfile.open(GOLDEN) as archive:
        archive.extractall(folder, filter="data")
    return folder / "lake"


def test_a_real_lake_without_java(golden: Path, tmp_path: Path) -> None:
    done = feed_etl("--lake", str(golden), "status", "--json", JAVA_HOME=str(tmp_path), PATH=str(tmp_path))
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["ok"]
    assert found["newest_landed_hour"] == "2026-06-01T10:00:00+00:00"
    assert found["quarantine"]["quarantined"] == 1 and found["quarantine"]["read"] == 24


def settings_of(lake: Path) -> Settings:
    from etl import conf

    return conf.load("local", lake=str(lake))


def test_no_lake(tmp_path: Path) -> None:
    refused(feed_etl("--lake", str(tmp_path / "no"), "status"), 7, "There is no lake at", "feed-etl run")


def empty(lake: Path) -> None:
    shutil.rmtree(lake)
    lake.mkdir()


def a_file(lake: Path) -> None:
    shutil.rmtree(lake)
    lake.write_text("not a lake")


def without_ledger(lake: Path) -> None:
    shutil.rmtree(lake / "_ledger")


def torn_log(lake: Path) -> None:
    newest = sorted((lake / "_ledger" / "_delta_log").glob("*.json"))[-1]
    newest.write_bytes(newest.read_bytes()[:50])


def lost_file(lake: Path) -> None:
    for file in (lake / "_ledger").glob("*.parquet"):
        file.unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (empty, "no run has written to it"),
        (a_file, "it is a file"),
        (without_ledger, "ledger .* is lost.*check --repair"),
        (torn_log, "_ledger cannot be read without Spark.*feed-etl check"),
        (lost_file, "_ledger cannot be read without Spark.*feed-etl check"),
    ],
)
def test_a_damaged_lake_is_one_line(damage: Any, words: str, golden: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(golden, lake)
    damage(lake)
    with pytest.raises(LakeError, match=words) as raised:
        status.of_lake(settings_of(lake), at("12:00"))
    assert "\n" not in str(raised.value)
