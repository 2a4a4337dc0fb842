"""A disk that is full: a run says so in one line, and with room again it is as if there had always been room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.conftest import TABLES, State, land, state
from pyspark.sql import SparkSession
from support.lakes import copy
from support.local_lake import END, START, Simulated

from etl.conf import Settings
from etl.engine.jobs import runner
from etl.errors import FeedEtlError, LakeError

ROOM = 64  # MB of the disk


@pytest.fixture
def small(simulated: Simulated, tmp_path: Path) -> Iterator[Settings]:
    """A lake with a late file on a disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}m", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("only who may mount a file system has a small disk")
    try:
        settings = copy(simulated, disk)
        land(settings)
        yield settings
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Leave so many bytes."""
    filler, free = disk / "filler", shutil.disk_usage(disk).free
    filler.write_bytes(b"x" * (free - left))
    return filler


def run(spark: SparkSession, settings: Settings) -> dict[str, FeedEtlError]:
    """Errors by table; the ledger's own under its name."""
    try:
        return runner.run(spark, settings, START, END, tables=TABLES).errors
    except FeedEtlError as error:
        return {"_ledger": error}


@pytest.mark.parametrize(
    "left", [0, *(pytest.param(kilobytes * 1024, marks=pytest.mark.slow) for kilobytes in (8, 16, 32))]
)
def test_a_run_on_a_full_disk_is_one_line_and_with_room_again_nothing_is_missing(
    spark: SparkSession, small: Settings, unharmed: State, left: int
) -> None:
    """The less is left the earlier it stops: at the first table, at the last, at the ledger."""
    filler = fill(Path(small.lake).parent, left)
    for error in run(spark, small).values():
        assert isinstance(error, LakeError), error
        assert os.linesep not in str(error)
    filler.unlink()
    assert run(spark, small) == {}
    assert state(spark, small) == unharmed
    assert runner.run(spark, small, START, END, tables=TABLES).entries == []
