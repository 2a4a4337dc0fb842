"""Old entries of a log go only when the newest version was read back without them."""

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
    """A table of some versions in partitions, without a checkpoint."""
    return written(spark, tmp_path / "table")


def written(spark: SparkSession, folder: Path) -> Path:
    spark.conf.set(delta.METADATA, "")
    for number in range(WRITES):
        rows = spark.range(3).selectExpr("id", f"{number} AS hour").coalesce(1)
        rows.write.format("delta").partitionBy("hour").mode("append").save(folder.as_uri())
    return folder


def log_of(table: Path) -> list[str]:
    """Names in the log, checksums of Hadoop left out."""
    return sorted(f.name for f in (table / "_delta_log").iterdir() if f.is_file() and not f.name.startswith("."))


def fresh(spark: SparkSession, table: Path) -> int:
    """Rows as a reader finds them who knows nothing: a copy at a new place."""
    copied = table.with_name(f"copy-of-{table.name}-{len(list(table.parent.iterdir()))}")
    shutil.copytree(table, copied)
    return delta.read(spark, copied.as_uri()).count()


def test_the_log_of_the_newest_version_stays_and_is_enough(spark: SparkSession, table: Path) -> None:
    assert delta_log.forget_versions(spark, table.as_uri()) > 0
    assert {name[:20] for name in log_of(table) if name[0] == "0"} == {f"{WRITES - 1:020d}"}
    assert fresh(spark, table) == 3 * WRITES
    assert delta_log.forget_versions(spark, table.as_uri()) == 0


def no_checkpoint(_monkeypatch: pytest.MonkeyPatch, table: Path) -> None:
    """Delta cannot write one, and says nothing of it."""
    name = f"{WRITES - 1:020d}.checkpoint.parquet"
    (table / "_delta_log" / name).mkdir()
    (table / "_delta_log" / name / "in-the-way").touch()


def half_a_checkpoint(monkeypatch: pytest.MonkeyPatch, _table: Path) -> None:
    after_checkpoint(monkeypatch, lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]))


def an_empty_checkpoint(monkeypatch: pytest.MonkeyPatch, _table: Path) -> None:
    after_checkpoint(monkeypatch, lambda file: file.write_bytes(b""))


def another_checkpoint(monkeypatch: pytest.MonkeyPatch, table: Path) -> None:
    """Whole, but of an earlier version: it names fewer files."""

    def older(file: Path) -> None:
        checkpoint(SparkSession.active(), table, 1)
        (file.parent / f"{1:020d}.checkpoint.parquet").replace(file)

    after_checkpoint(monkeypatch, older)


def checkpoint(spark: SparkSession, table: Path, version: int | None = None) -> None:
    found = delta.snapshot(spark, table.as_uri(), version)
    found.deltaLog().checkpoint(found, none(spark))


def after_checkpoint(monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]) -> None:
    """Something happens to each checkpoint before it is looked at."""
    looked = delta_log._complete

    def complete(listed: list[files.LandedFile]) -> list[list[str]]:
        for file in listed:
            change(files.local_folder(file.uri))
            files.local_folder(file.uri).with_name(f".{file.name}.crc").unlink(missing_ok=True)
        return looked([files.LandedFile(f.uri, files.local_folder(f.uri).stat().st_size, 0) for f in listed])

    monkeypatch.setattr(delta_log, "_complete", complete)


@pytest.mark.parametrize("fault", [no_checkpoint, half_a_checkpoint, an_empty_checkpoint, another_checkpoint])
def test_nothing_is_removed_unless_the_checkpoint_is_whole(
    spark: SparkSession, table: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch, Path], None]
) -> None:
    """Delta's own call fails in silence; a reader who knows nothing must still find every row."""
    before = set(log_of(table))
    fault(monkeypatch, table)
    with pytest.raises(LakeError, match="not whole"):
        delta_log.forget_versions(spark, table.as_uri())
    assert before <= set(log_of(table))


@pytest.mark.parametrize("at", [0, 1, 5])
def test_a_removal_that_stops_in_the_middle_leaves_a_readable_table(
    spark: SparkSession, table: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Oldest first; done again it ends what it began."""
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
    assert fresh(spark, table) == 3 * WRITES
    delta_log.forget_versions(spark, table.as_uri())
    assert fresh(spark, table) == 3 * WRITES


def test_a_hint_to_an_earlier_checkpoint_goes_first(spark: SparkSession, table: Path) -> None:
    uri = table.as_uri()
    checkpoint(spark, table)
    hint = table / "_delta_log" / "_last_checkpoint"
    old = hint.read_text()
    written(spark, table)
    checkpoint(spark, table)
    hint.write_text(old)
    hint.with_name("._last_checkpoint.crc").unlink(missing_ok=True)
    assert json.loads(old)["version"] == WRITES - 1
    delta_log.forget_versions(spark, uri)
    assert not hint.exists() and fresh(spark, table) == 6 * WRITES


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("only who may mount a file system has a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("left", [0, 8192, 16384])
def test_on_a_full_disk_the_log_stays_or_is_shortened_but_the_table_is_readable(
    spark: SparkSession, small_disk: Path, tmp_path: Path, left: int
) -> None:
    table = written(spark, small_disk / "table")
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - left))
    try:
        delta_log.forget_versions(spark, table.as_uri())
    except LakeError as error:
        assert "not whole" in str(error)
    shutil.copytree(table, tmp_path / "copy")
    assert delta.read(spark, (tmp_path / "copy").as_uri()).count() == 3 * WRITES
