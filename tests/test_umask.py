"""What the command line makes is its owner's alone, whatever the shell allows; a team may share it by conf."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from soak import shares
from support.command_line import feed_etl

from etl import conf


@pytest.fixture(autouse=True)
def open_shell() -> Iterator[None]:
    """A shell whose files everybody may read and write."""
    before = os.umask(0)
    yield
    os.umask(before)


def rights(folder: Path) -> set[str]:
    """Rights of others than the owner that anything below a folder gives, with where."""
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (folder, *folder.rglob("*"))}
    return {f"{mode:o} {path.relative_to(folder)}" for path, mode in modes.items() if mode & 0o077}


def test_landing_files_are_private(tmp_path: Path) -> None:
    made = tmp_path / "landing"
    interval = ("--from", "2026-06-01T08", "--to", "2026-06-01T09", "--impressions-per-hour", "50")
    assert feed_etl("--landing", str(made), "simulate", *interval).returncode == 0
    assert list(made.rglob("*.jsonl*")) and rights(made) == set()


def test_a_lake_is_private(tmp_path: Path) -> None:
    """What Python, the JVM and Hadoop's file systems write."""
    shares.land(conf.load().model_copy(update={"landing": str(tmp_path / "landing")}), 1)
    place = ("--lake", str(tmp_path / "lake"), "--landing", str(tmp_path / "landing"), "--master", "local[1]")
    interval = ("--from", "2026-06-01T10", "--to", "2026-06-01T11")
    done = feed_etl(*place, "run", *interval, "--table", "bronze_shares", "--table", "fct_shares")
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "lake").rglob("*.parquet")) and rights(tmp_path / "lake") == set()


def test_a_team_may_share_what_it_makes(tmp_path: Path) -> None:
    made = tmp_path / "landing"
    interval = ("--from", "2026-06-01T08", "--to", "2026-06-01T09", "--impressions-per-hour", "50")
    assert feed_etl("--landing", str(made), "simulate", *interval, FEED_ETL_UMASK="027").returncode == 0
    assert stat.S_IMODE(made.stat().st_mode) == 0o750
    assert {stat.S_IMODE(p.stat().st_mode) for p in made.rglob("*.jsonl*")} == {0o640}
