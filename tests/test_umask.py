"""Only the owner can read what the command line writes, whatever the umask of the shell. conf/ can allow a group."""

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
    """A shell with umask 0, in which new files are readable and writable for all users."""
    before = os.umask(0)
    yield
    os.umask(before)


def rights(folder: Path) -> set[str]:
    """Permissions of group and others on anything below a folder, with its path."""
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (folder, *folder.rglob("*"))}
    return {f"{mode:o} {path.relative_to(folder)}" for path, mode in modes.items() if mode & 0o077}


def test_landing_files_are_private(tmp_path: Path) -> None:
    made = tmp_path / "landing"
    interval = ("--from", "2026-06-01T08", "--to", "2026-06-01T09", "--impressions-per-hour", "50")
    assert feed_etl("--landing", str(made), "simulate", *interval).returncode == 0
    assert list(made.rglob("*.jsonl*")) and rights(made) == set()


def test_a_lake_is_private(tmp_path: Path) -> None:
    """Files written by Python, the JVM and Hadoop's file systems."""
    shares.land(conf.load().model_copy(update={"landing": str(tmp_path / "landing")}), 1)
    options = ("--lake", str(tmp_path / "lake"), "--landing", str(tmp_path / "landing"), "--master", "local[1]")
    interval = ("--from", "2026-06-01T10", "--to", "2026-06-01T11")
    done = feed_etl(*options, "run", *interval, "--table", "bronze_shares", "--table", "fct_shares")
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "lake").rglob("*.parquet")) and rights(tmp_path / "lake") == set()


def test_conf_can_let_a_group_read_files(tmp_path: Path) -> None:
    made = tmp_path / "landing"
    interval = ("--from", "2026-06-01T08", "--to", "2026-06-01T09", "--impressions-per-hour", "50")
    assert feed_etl("--landing", str(made), "simulate", *interval, FEED_ETL_UMASK="027").returncode == 0
    assert stat.S_IMODE(made.stat().st_mode) == 0o750
    assert {stat.S_IMODE(p.stat().st_mode) for p in made.rglob("*.jsonl*")} == {0o640}
