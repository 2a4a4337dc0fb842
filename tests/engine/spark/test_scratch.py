"""Temporary files are private, and are removed after their process has died."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl import conf
from etl.engine.delta import staged
from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.engine.spark import scratch
from etl.errors import ConfigError

OTHER_PROCESS = """
import os, signal, sys, time
from etl.engine.spark import scratch
process = scratch.this_process(sys.argv[1])
(process.folder / "blockmgr").mkdir()
(process.folder / "blockmgr" / "shuffle_0").write_text("4711")
process.note({"table": "file:///nowhere", "files": ["a.parquet"]})
print("ready", flush=True)
time.sleep(600)
"""


def other_process(base: Path) -> subprocess.Popen[str]:
    """Start another process that has a folder for temporary files."""
    environment = {**os.environ, "PYTHONPATH": str(conf.home())}
    command = [sys.executable, "-c", OTHER_PROCESS, str(base)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def test_the_folder_of_a_killed_process_is_removed_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    base = tmp_path / "scratch"
    process = other_process(base)
    try:
        assert scratch.dead_processes(str(base)) == []
        assert stat.S_IMODE(base.stat().st_mode) == 0o700
        assert {stat.S_IMODE(f.stat().st_mode) for f in base.iterdir()} == {0o700, 0o600}
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (dead,) = scratch.dead_processes(str(base))
    assert dead.staged == [("file:///nowhere", ["a.parquet"])]
    assert [f.suffix for f in base.iterdir()] == [".lock"]
    scratch.remove_dead_folders(str(base))
    assert list(base.iterdir()), "the list of its staged files is still needed"
    scratch.forget(dead)
    assert not list(base.iterdir())


def test_a_process_whose_jvm_lives_is_not_dead(tmp_path: Path) -> None:
    """This process plays the JVM. A later process with the same id, but another start time, is not the JVM."""
    for start_time, dead_count in [(scratch.start_time(os.getpid()), 0), ("1", 1)]:
        lock = tmp_path / "host-1-ab.lock"
        lock.write_text(json.dumps({"jvm": [os.getpid(), start_time]}) + "\n{half a li")
        assert len(scratch.dead_processes(str(tmp_path))) == dead_count


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "other")
    with pytest.raises(ConfigError, match="not a folder of this user"):
        scratch.base(str(tmp_path / "link"))


def test_spark_uses_the_folder_of_the_process(spark: SparkSession) -> None:
    folder = scratch.this_process(None).folder
    assert conf.load("local").scratch is None
    assert spark.sparkContext.getConf().get("spark.local.dir") == str(folder)
    assert list(folder.glob("blockmgr-*")) and list(folder.glob("spark-*"))


def test_staged_files_of_a_dead_process_are_removed_and_published_files_are_not(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two transactions was committed. A file that the dead process did not list is kept."""
    table = tmp_path / "table"
    uri = table.as_uri()
    spark.range(1).selectExpr("id", "1 AS hour").write.format("delta").partitionBy("hour").save(uri)
    recorded: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(staged, "record", lambda table_uri, paths: recorded.append((table_uri, paths)))
    for hour, commits in [(2, True), (3, False)]:
        txn = Transaction(spark, uri)
        txn.stage(spark.range(2).selectExpr("id", f"{hour} AS hour").coalesce(1))
        if commits:
            txn.commit("published")
    unlisted = table / "hour=3" / "part-00000-unlisted.c000.snappy.parquet"
    shutil.copy(next((table / "hour=3").glob("*.parquet")), unlisted)
    lock = tmp_path / "scratch" / "host-1-ab.lock"
    lock.parent.mkdir()
    lines = [json.dumps({"table": table_uri, "files": paths}) + "\n" for table_uri, paths in recorded]
    lock.write_text("".join(lines))
    settings = conf.load("local").model_copy(update={"scratch": str(lock.parent)})
    assert staged.remove_dead(spark, settings) == 1
    assert not lock.exists() and list((table / "hour=3").glob("*.parquet")) == [unlisted]
    assert delta.read(spark, uri).count() == 3
