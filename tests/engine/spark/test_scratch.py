"""Temporary files are private, and go once their process is provably dead."""

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
from etl.engine.spark import scratch, session
from etl.errors import ConfigError

OTHER = """
import os, signal, sys, time
from etl.engine.spark import scratch
made = scratch.this_process(sys.argv[1])
(made.folder / "blockmgr").mkdir()
(made.folder / "blockmgr" / "shuffle_0").write_text("4711")
made.note({"table": "file:///nowhere", "files": ["a.parquet"]})
print("ready", flush=True)
time.sleep(600)
"""


def other(base: Path) -> subprocess.Popen[str]:
    """Another process that has a folder."""
    place = {**os.environ, "PYTHONPATH": str(conf.home())}
    made = subprocess.Popen([sys.executable, "-c", OTHER, str(base)], env=place, stdout=subprocess.PIPE, text=True)
    assert made.stdout and made.stdout.readline() == "ready\n"
    return made


def test_the_folder_of_a_killed_process_goes_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    base = tmp_path / "scratch"
    process = other(base)
    try:
        assert scratch.dead_processes(str(base)) == []
        assert stat.S_IMODE(base.stat().st_mode) == 0o700
        assert {stat.S_IMODE(f.stat().st_mode) for f in base.iterdir()} == {0o700, 0o600}
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (found,) = scratch.dead_processes(str(base))
    assert found.staged == [("file:///nowhere", ["a.parquet"])]
    assert [f.suffix for f in base.iterdir()] == [".lock"]
    scratch.remove_dead_folders(str(base))
    assert list(base.iterdir()), "what it staged is still to be looked at"
    scratch.forget(found)
    assert not list(base.iterdir())


def test_a_process_whose_jvm_lives_is_not_dead(tmp_path: Path) -> None:
    """This process stands for the JVM; another one that has got its number later does not count."""
    for began, dead in [(scratch.started(os.getpid()), 0), ("1", 1)]:
        lock = tmp_path / "host-1-ab.lock"
        lock.write_text(json.dumps({"jvm": [os.getpid(), began]}) + "\n{half a li")
        assert len(scratch.dead_processes(str(tmp_path))) == dead


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="no folder of this user"):
        scratch.base(str(tmp_path / "link"))


def test_spark_works_in_the_folder(spark: SparkSession) -> None:
    folder = scratch.this_process(None).folder
    assert session.conf.load("local").scratch is None
    assert spark.sparkContext.getConf().get("spark.local.dir") == str(folder)
    assert list(folder.glob("blockmgr-*")) and list(folder.glob("spark-*"))


def test_what_a_dead_process_staged_goes_and_what_it_published_stays(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two transactions one was committed; files it did not list are not its own."""
    table = tmp_path / "table"
    uri = table.as_uri()
    spark.range(1).selectExpr("id", "1 AS hour").write.format("delta").partitionBy("hour").save(uri)
    noted: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(staged, "record", lambda where, paths: noted.append((where, paths)))
    for hour, commits in [(2, True), (3, False)]:
        txn = Transaction(spark, uri)
        txn.stage(spark.range(2).selectExpr("id", f"{hour} AS hour").coalesce(1))
        if commits:
            txn.commit("published")
    stranger = table / "hour=3" / "part-00000-stranger.c000.snappy.parquet"
    shutil.copy(next((table / "hour=3").glob("*.parquet")), stranger)
    lock = tmp_path / "scratch" / "host-1-ab.lock"
    lock.parent.mkdir()
    lock.write_text("".join(json.dumps({"table": where, "files": paths}) + "\n" for where, paths in noted))
    settings = conf.load("local").model_copy(update={"scratch": str(lock.parent)})
    assert staged.remove_dead(spark, settings) == 1
    assert not lock.exists() and list((table / "hour=3").glob("*.parquet")) == [stranger]
    assert delta.read(spark, uri).count() == 3
