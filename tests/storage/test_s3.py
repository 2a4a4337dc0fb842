"""A lake and a landing zone on S3 give the same rows, checksums, erasure and maintenance as on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest
from storage.servers import ROOT, s3, upload
from support.command_line import feed_etl
from support.local_lake import START

from etl.subjects.feed.simulate import simulate

ON_S3 = Path(__file__).with_name("on_s3.py")


@pytest.mark.slow
def test_a_lake_on_s3_equals_a_lake_on_disk(tmp_path: Path) -> None:
    """Tables of each write mode, two hours, two runs at once in one driver, an erasure, and maintenance."""
    simulate(tmp_path / "landing", START, START + timedelta(hours=2), 60, 7)
    with s3() as environment:
        variables = os.environ | environment | {"PYTHONPATH": os.pathsep.join(["tests", "."])}
        command = [sys.executable, str(ON_S3), str(tmp_path)]
        done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-9000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "errors on disk": {}, "errors on s3": {}, "left to do": [], "ledgers differ": False,
        "lost by two runs at once": [], "erased": True, "rows of the erased": 0, "wrong checksums": [],
    }  # fmt: skip


@pytest.mark.slow
def test_status_reads_a_lake_on_s3(tmp_path: Path) -> None:
    """Without Spark. Of a store that is down it says so in one line."""
    with tarfile.open(ROOT / "tests" / "golden" / "0.1.0.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    with s3() as environment:
        upload(tmp_path / "lake" / "_ledger", "lake/_ledger", json.loads(environment["FEED_ETL_SPARK"]))
        done = feed_etl("--lake", "s3a://feed/lake", "status", "--json", **environment)
        none = feed_etl("--lake", "s3a://feed/none", "status", **environment)
    down = feed_etl("--lake", "s3a://feed/lake", "status", **environment)
    assert done.returncode == 0 and json.loads(done.stdout)["quarantine"]["read"] == 24
    assert none.returncode == 7 and "There is no lake at s3a://feed/none" in none.stderr
    assert down.returncode == 7 and "Error performing GET" in down.stderr and down.stderr.count("\n") == 1
