"""A full disk: a run reports it in one line, and after space is freed nothing is missing."""

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

DISK_MB = 64


@pytest.fixture
def small(simulated: Simulated, tmp_path: Path) -> Iterator[Settings]:
    """A lake with a late file on its own small disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("this test needs permission to mount a file system")
    try:
        settings = copy(simulated, disk)
        land(settings)
        yield settings
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Fill the disk except for `left` bytes."""
    filler, free = disk / "filler", shutil.disk_usage(disk).free
    filler.write_bytes(b"x" * (free - left))
    return filler


def run(spark: SparkSession, settings: Settings) -> dict[str, FeedEtlError]:
    """Errors by table; an error of the ledger has the key `_ledger`."""
    try:
        return runner.run(spark, settings, START, END, tables=TABLES).errors
    except FeedEtlError as error:
        return {"_ledger": error}


@pytest.mark.parametrize(
    "left", [0, *(pytest.param(kilobytes * 1024, marks=pytest.mark.slow) for kilobytes in (8, 16, 32))]
)
def test_a_run_on_a_full_disk_is_one_line_and_loses_nothing(
    spark: SparkSession, small: Settings, unharmed: State, left: int
) -> None:
    """With less free space, the run stops earlier: at the first table, at the last one, or at the ledger."""
    filler = fill(Path(small.lake).parent, left)
    for error in run(spark, small).values():
        assert isinstance(error, LakeError), error
        assert os.linesep not in str(error)
    filler.unlink()
    assert run(spark, small) == {}
    assert state(spark, small) == unharmed
    assert runner.run(spark, small, START, END, tables=TABLES).entries == []
