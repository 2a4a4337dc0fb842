"""The CDS archive: sessions use it when it exists, and set-up creates it again when Java or the JARs are newer."""

import os
import subprocess
from pathlib import Path

import pytest

from etl.engine.spark import cds, session
from etl.engine.spark.java import require_java


def test_a_driver_that_runs_tasks_uses_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "classes.jsa"
    monkeypatch.setattr(cds.options, "__defaults__", (archive,))
    assert str(archive) not in session.java_options("")
    archive.touch()
    assert f"-XX:SharedArchiveFile={archive}" in session.java_options("")
    assert str(archive) not in session.java_options("", runs_tasks=False)


def test_java_prints_no_warning_about_an_invalid_archive_to_stdout(tmp_path: Path) -> None:
    archive = tmp_path / "classes.jsa"
    archive.write_bytes(b"no archive")
    java = [str(require_java() / "bin" / "java"), *cds.options(archive).split(), "-version"]
    done = subprocess.run(java, capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_an_archive_older_than_the_jars_is_not_fresh(tmp_path: Path) -> None:
    archive = tmp_path / "classes.jsa"
    assert not cds.is_fresh(archive)
    archive.touch()
    assert cds.is_fresh(archive)
    os.utime(archive, (0, 0))
    assert not cds.is_fresh(archive)


def test_set_up_created_the_archive() -> None:
    """A session would not report a missing archive: it starts without one, too."""
    assert cds.is_fresh()
