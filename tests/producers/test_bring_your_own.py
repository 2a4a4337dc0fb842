"""The commands of docs/bring-your-own.md take the log of a shop to a dashboard."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from etl import conf
from etl.cli import app
from etl.conf import Settings
from etl.errors import LandingError
from etl.producers import import_log

ROOT = conf.home()
PAGE = ROOT / "docs" / "bring-your-own.md"
MAPPING = ROOT / "examples" / "bring-your-own" / "mapping"


def blocks(language: str = "") -> list[str]:
    """The blocks of the page in a language; commands and their output have none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    return [text.strip() for of, text in found if of == language]


def feed_etl(command: str) -> Any:
    """Run a command of the page in this process, with the session of the tests."""
    program, *words = command.split()
    assert program == ".venv/bin/feed-etl"
    files = [sorted(map(str, Path().glob(word))) if "*" in word else [word] for word in words]
    return CliRunner().invoke(app, [word for group in files for word in group])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the paths of the page work, with the log of the shop."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["make_log.py", "log.parquet"])
    runpy.run_path(str(ROOT / "examples" / "bring-your-own" / "make_log.py"), run_name="__main__")
    return tmp_path


def commands() -> list[str]:
    return [block for block in blocks() if block.startswith(".venv/bin/feed-etl")]


def test_validate_says_what_to_rename_and_accepts_what_the_mapping_lands(spark: SparkSession, place: Path) -> None:
    ask, land, check, _, _ = commands()
    asked = feed_etl(ask)
    expected = next(block for block in blocks() if block.startswith("refused log.parquet"))
    assert asked.exit_code == 4 and asked.stdout.startswith(expected.removesuffix("…").rstrip())
    assert feed_etl(land).exit_code == 0
    checked = feed_etl(check)
    assert checked.exit_code == 0 and "2000 of 2000 records" in checked.stdout


@pytest.mark.slow
def test_five_commands_end_in_a_dashboard(spark: SparkSession, place: Path) -> None:
    """An hour of every table of the feed takes a minute."""
    assert [feed_etl(command).exit_code for command in commands()] == [4, 0, 0, 0, 0]
    assert "candidate" in (place / "shop.html").read_text()


def test_the_page_shows_the_mapping_that_it_uses() -> None:
    assert blocks("sql") == [(MAPPING / "impressions.sql").read_text().strip()]


@pytest.mark.parametrize(("sql", "message"), [
    ("", "has no file EVENT.sql"),
    ("SELECT nothing FROM log", "is no valid mapping"),
    ("SELECT user_id AS viewer_id FROM log", "selects no share_ts"),
])  # fmt: skip
def test_a_mapping_that_cannot_work_is_one_line(
    spark: SparkSession, settings: Settings, place: Path, sql: str, message: str
) -> None:
    mapping = place / "mapping"
    mapping.mkdir()
    if sql:
        (mapping / "shares.sql").write_text(sql)
    with pytest.raises(LandingError, match=message):
        import_log.land(spark, settings, "log.parquet", mapping)
    with pytest.raises(LandingError, match="is no log that"):
        import_log.land(spark, settings, "log.txt", MAPPING)


def test_a_csv_log_lands_like_the_parquet_log_and_only_once(
    spark: SparkSession, settings: Settings, place: Path
) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    pyarrow.csv.write_csv(pyarrow.parquet.read_table("log.parquet").slice(0, 50), "log.csv")
    done = import_log.land(spark, settings, "log.csv", MAPPING)
    assert done.records["impressions"] == 50 and (done.end - done.start).total_seconds() == 3600
    hours = f"{settings.landing}/impressions/hour=2026-06-01T10/*.parquet"
    files = [str(file) for file in Path(settings.landing).glob(hours.removeprefix(f"{settings.landing}/"))]
    judged = CliRunner().invoke(app, ["validate", *files, "--event", "impressions", "--json"])
    assert [v["accepted"] for v in json.loads(judged.stdout)] == [50]
    with pytest.raises(LandingError, match="has landed files already"):
        import_log.land(spark, settings, "log.csv", MAPPING)
