"""spark-submit runs `feed-etl` and keeps its exit code, which Airflow relies on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyspark

from etl.engine.spark.java import require_java

ROOT = Path(__file__).parents[2]


def test_spark_submit_passes_on_the_exit_code() -> None:
    """A reversed interval prints one line and gives exit code 2, not the 1 of spark-submit."""
    home = Path(pyspark.__file__).parent
    environment = {
        **os.environ,
        "JAVA_HOME": str(require_java()),
        "SPARK_HOME": str(home),
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
    }
    application = str(ROOT / "etl" / "airflow" / "application.py")
    words = ["run", "--from", "2026-06-01T10", "--to", "2026-06-01T09"]
    command = [str(home / "bin" / "spark-submit"), "--master", "local[1]", application, *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 2, done.stderr[-2000:]
    assert "--from 2026-06-01T10 must be before --to 2026-06-01T09" in done.stdout + done.stderr
