"""Which Java is chosen, and the error on a machine without one. Each Java here is a script that lists modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.engine.spark.java import find_java, is_usable, record_java, require_java
from etl.errors import ConfigError

NOWHERE = Path("/nonexistent")


def fake_java(home: Path, version: str = "17.0.15", extra_module: str | None = "jdk.incubator.vector") -> Path:
    """Create a Java home whose `bin/java --list-modules` prints the modules of this version."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    modules = ["java.base", "java.sql", *([extra_module] if extra_module else [])]
    listed = "\n".join(f"{module}@{version}" for module in modules)
    program.write_text(f"#!/bin/sh\necho '{listed}'\n", encoding="utf-8")
    program.chmod(0o755)
    return home


@pytest.fixture(autouse=True)
def no_macos_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable macOS's `java_home` program: it would return the Java of this machine."""
    monkeypatch.setattr("etl.engine.spark.java.MACOS_JAVA_HOME", NOWHERE)


@pytest.mark.parametrize("version", ["17", "17.0.15", "21.0.4", "25.0.3"])
def test_java_17_and_newer_are_usable(tmp_path: Path, version: str) -> None:
    assert is_usable(fake_java(tmp_path, version))


def test_an_older_java_is_not_usable(tmp_path: Path) -> None:
    assert not is_usable(fake_java(tmp_path, version="11.0.2"))


def test_a_reduced_runtime_without_the_vector_module_is_not_usable(tmp_path: Path) -> None:
    assert not is_usable(fake_java(tmp_path, extra_module=None))


def test_a_folder_without_a_java_is_not_usable(tmp_path: Path) -> None:
    assert not is_usable(tmp_path)


def test_java_home_wins_over_the_record_and_the_path(tmp_path: Path) -> None:
    chosen, recorded, on_path = (fake_java(tmp_path / name) for name in ("chosen", "recorded", "on_path"))
    record_java(recorded, share=tmp_path)
    environ = {"JAVA_HOME": str(chosen), "PATH": str(on_path / "bin")}

    assert find_java(tmp_path, NOWHERE, environ) == chosen


def test_an_unusable_java_home_is_skipped(tmp_path: Path) -> None:
    old, on_path = fake_java(tmp_path / "old", version="11.0.2"), fake_java(tmp_path / "on_path")
    environ = {"JAVA_HOME": str(old), "PATH": str(on_path / "bin")}

    assert find_java(tmp_path, NOWHERE, environ) == on_path


def test_the_recorded_java_is_used_although_it_is_in_an_unusual_folder(tmp_path: Path) -> None:
    recorded = fake_java(tmp_path / "recorded")
    record_java(recorded, share=tmp_path)

    assert find_java(tmp_path, NOWHERE, environ={}) == recorded


def test_a_record_of_a_java_that_was_removed_is_ignored(tmp_path: Path) -> None:
    record_java(tmp_path / "removed", share=tmp_path)
    installed = fake_java(tmp_path / "jvms" / "java-17")

    assert find_java(tmp_path, tmp_path / "jvms", environ={}) == installed


def test_a_link_on_the_path_leads_to_the_java_home_behind_it(tmp_path: Path) -> None:
    home = fake_java(tmp_path / "jvms" / "java-17")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(home / "bin" / "java")

    assert find_java(tmp_path, NOWHERE, environ={"PATH": str(tmp_path / "bin")}) == home


def test_a_java_unpacked_under_share_is_found(tmp_path: Path) -> None:
    unpacked = fake_java(tmp_path / "java" / "jdk-17")

    assert find_java(tmp_path, NOWHERE, environ={}) == unpacked


def test_a_machine_without_java_gets_one_line_that_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"openjdk-17-jre-headless.*JAVA_HOME.*make setup") as raised:
        require_java(tmp_path, NOWHERE, environ={})

    assert "\n" not in str(raised.value)
