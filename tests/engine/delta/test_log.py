"""Old entries of a Delta log are removed only when the newest version can be read without them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl.engine.delta import log as delta_log
from etl.engine.delta import tables as delta
from etl.engine.spark import files
from etl.engine.spark.jvm import none
from etl.errors import FeedEtlError, LakeError

WRITES = 4


@pytest.fixture
def table(spark: SparkSession, tmp_path: Path) -> Path:
    """A partitioned table with four versions and without a checkpoint."""
    return write_versions(spark, tmp_path / "table")


def write_versions(spark: SparkSession, folder: Path) -> Path:
    """Append three rows in each of four commits."""
    spark.conf.set(delta.METADATA, "")
    for number in range(WRITES):
        rows = spark.range(3).selectExpr("id", f"{number} AS hour").coalesce(1)
        rows.write.format("delta").partitionBy("hour").mode("append").save(folder.as_uri())
    return folder


def log_of(table: Path) -> list[str]:
    """Names of the files in the log, without Hadoop's checksum files."""
    return sorted(f.name for f in (table / "_delta_log").iterdir() if f.is_file() and not f.name.startswith("."))


def rows_in_copy(spark: SparkSession, table: Path) -> int:
    """Number of rows that a reader without a cached snapshot finds: it reads a copy in another folder."""
    copied = table.with_name(f"copy-of-{table.name}-{len(list(table.parent.iterdir()))}")
    shutil.copytree(table, copied)
    return delta.read(spark, copied.as_uri()).count()


def test_only_the_log_of_the_newest_version_is_kept_and_the_table_stays_readable(
    spark: SparkSession, table: Path
) -> None:
    assert delta_log.forget_versions(spark, table.as_uri()) > 0
    assert {name[:20] for name in log_of(table) if name[0] == "0"} == {f"{WRITES - 1:020d}"}
    assert rows_in_copy(spark, table) == 3 * WRITES
    assert delta_log.forget_versions(spark, table.as_uri()) == 0


def no_checkpoint(_monkeypatch: pytest.MonkeyPatch, table: Path) -> None:
    """Delta cannot write the checkpoint and raises no error."""
    name = f"{WRITES - 1:020d}.checkpoint.parquet"
    (table / "_delta_log" / name).mkdir()
    (table / "_delta_log" / name / "in-the-way").touch()


def truncated_checkpoint(monkeypatch: pytest.MonkeyPatch, _table: Path) -> None:
    after_checkpoint(monkeypatch, lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]))


def an_empty_checkpoint(monkeypatch: pytest.MonkeyPatch, _table: Path) -> None:
    after_checkpoint(monkeypatch, lambda file: file.write_bytes(b""))


def older_checkpoint(monkeypatch: pytest.MonkeyPatch, table: Path) -> None:
    """The checkpoint is complete, but it is the one of an earlier version: it lists fewer files."""

    def older(file: Path) -> None:
        checkpoint(SparkSession.active(), table, 1)
        (file.parent / f"{1:020d}.checkpoint.parquet").replace(file)

    after_checkpoint(monkeypatch, older)


def checkpoint(spark: SparkSession, table: Path, version: int | None = None) -> None:
    snapshot = delta.snapshot(spark, table.as_uri(), version)
    snapshot.deltaLog().checkpoint(snapshot, none(spark))


def after_checkpoint(monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]) -> None:
    """Change each checkpoint file after Delta has written it and before it is verified."""
    verify = delta_log._complete

    def complete(listed: list[files.LandedFile]) -> list[list[str]]:
        for file in listed:
            change(files.local_folder(file.uri))
            files.local_folder(file.uri).with_name(f".{file.name}.crc").unlink(missing_ok=True)
        return verify([files.LandedFile(f.uri, files.local_folder(f.uri).stat().st_size, 0) for f in listed])

    monkeypatch.setattr(delta_log, "_complete", complete)


@pytest.mark.parametrize("fault", [no_checkpoint, truncated_checkpoint, an_empty_checkpoint, older_checkpoint])
def test_nothing_is_removed_when_the_checkpoint_is_not_complete(
    spark: SparkSession, table: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch, Path], None]
) -> None:
    """Delta's own call raises no error, and a new reader must still find every row."""
    before = set(log_of(table))
    fault(monkeypatch, table)
    with pytest.raises(LakeError, match="not complete, so older log entries were kept"):
        delta_log.forget_versions(spark, table.as_uri())
    assert before <= set(log_of(table))


@pytest.mark.parametrize("at", [0, 1, 5])
def test_a_removal_that_stops_in_the_middle_leaves_a_readable_table(
    spark: SparkSession, table: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """It removes the oldest entries first, and a second call finishes the removal."""
    delete, left = files.delete, [at]

    def failing(session: SparkSession, uri: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise LakeError(f"{uri} cannot be removed")
        delete(session, uri)

    monkeypatch.setattr(files, "delete", failing)
    with pytest.raises(FeedEtlError):
        delta_log.forget_versions(spark, table.as_uri())
    monkeypatch.setattr(files, "delete", delete)
    assert rows_in_copy(spark, table) == 3 * WRITES
    delta_log.forget_versions(spark, table.as_uri())
    assert rows_in_copy(spark, table) == 3 * WRITES


def test_a_hint_to_an_earlier_checkpoint_is_removed(spark: SparkSession, table: Path) -> None:
    uri = table.as_uri()
    checkpoint(spark, table)
    hint = table / "_delta_log" / "_last_checkpoint"
    old = hint.read_text()
    write_versions(spark, table)
    checkpoint(spark, table)
    hint.write_text(old)
    hint.with_name("._last_checkpoint.crc").unlink(missing_ok=True)
    assert json.loads(old)["version"] == WRITES - 1
    delta_log.forget_versions(spark, uri)
    assert not hint.exists() and rows_in_copy(spark, table) == 6 * WRITES


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A separate disk of 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("this user has no permission to mount a file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("left", [0, 8192, 16384])
def test_the_table_stays_readable_on_a_full_disk(
    spark: SparkSession, small_disk: Path, tmp_path: Path, left: int
) -> None:
    table = write_versions(spark, small_disk / "table")
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - left))
    try:
        delta_log.forget_versions(spark, table.as_uri())
    except LakeError as error:
        assert "not complete" in str(error)
    shutil.copytree(table, tmp_path / "copy")
    assert delta.read(spark, (tmp_path / "copy").as_uri()).count() == 3 * WRITES
