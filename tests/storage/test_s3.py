"""The lake and the landing zone on S3: the same rows, checksums, erasure and maintenance as on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from storage.servers import ROOT, s3
from support.local_lake import START

from etl.subjects.feed.simulate import simulate

ON_S3 = Path(__file__).with_name("on_s3.py")


@pytest.mark.slow
def test_a_lake_on_s3_is_as_one_on_disk(tmp_path: Path) -> None:
    """Tables of each way of writing, two hours of them, two runs at once in one driver, an erasure, maintenance."""
    simulate(tmp_path / "landing", START, START + timedelta(hours=2), 60, 7)
    with s3() as environment:
        place = os.environ | environment | {"PYTHONPATH": os.pathsep.join(["tests", "."])}
        command = [sys.executable, str(ON_S3), str(tmp_path)]
        done = subprocess.run(command, env=place, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-9000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "errors on disk": {}, "errors on s3": {}, "left to do": [], "ledgers differ": False,
        "lost by two at once": [], "erased": True, "rows of the erased": 0, "checksums not true": [],
    }  # fmt: skip
