"""Classes kept ready for sessions: used when they are there, made again when Java or the JARs are newer."""

import os
import subprocess
from pathlib import Path

import pytest

from etl.engine.spark import cds
from etl.engine.spark import session
from etl.engine.spark.java import require_java


def test_a_driver_that_works_maps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "classes.jsa"
    monkeypatch.setattr(cds.options, "__defaults__", (archive,))
    assert str(archive) not in session.java_options("")
    archive.touch()
    assert f"-XX:SharedArchiveFile={archive}" in session.java_options("")
    assert str(archive) not in session.java_options("", runs_tasks=False)


def test_what_java_says_of_a_file_that_does_not_fit_is_not_among_answers(tmp_path: Path) -> None:
    archive = tmp_path / "classes.jsa"
    archive.write_bytes(b"no archive")
    java = [require_java() / "bin" / "java", *cds.options(archive).split(), "-version"]
    done = subprocess.run(java, capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_an_archive_older_than_the_jars_is_not_fresh(tmp_path: Path) -> None:
    archive = tmp_path / "classes.jsa"
    assert not cds.is_fresh(archive)
    archive.touch()
    assert cds.is_fresh(archive)
    os.utime(archive, (0, 0))
    assert not cds.is_fresh(archive)


def test_set_up_kept_them() -> None:
    """Which a session would not say: it starts without them as well."""
    assert cds.is_fresh()
