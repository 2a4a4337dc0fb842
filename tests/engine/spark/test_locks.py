"""What set-up installs is what was locked: every package with its version and the hashes of its files."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXTRAS = {"requirements.lock": ("test", "bench", "dev"), "requirements-airflow.lock": ("airflow",)}
LOCKED = re.compile(r"^(?P<name>[\w.-]+)(\[[^]]*\])?==(?P<version>\S+)", re.M)


def locked(file: str) -> set[tuple[str, str]]:
    """(name, version) of each package of a lock."""
    return {(m["name"], m["version"]) for m in LOCKED.finditer((ROOT / file).read_text())}


def declared(*extras: str) -> set[str]:
    """Names that setup.cfg asks for."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"] if "dev" in extras else ""
    lines += "".join(setup["options.extras_require"][extra] for extra in extras)
    return {re.split(r"[\s<>=!~\[]", line)[0].lower() for line in lines.splitlines() if line}


@pytest.mark.parametrize("file", EXTRAS)
def test_all_that_is_asked_for_is_locked(file: str) -> None:
    assert declared(*EXTRAS[file]) <= {name for name, _ in locked(file)}


@pytest.mark.parametrize("file", EXTRAS)
def test_every_package_has_the_version_resolved_for_both_environments_and_hashes(file: str) -> None:
    assert locked(file) <= locked("constraints.txt")
    assert hashed(file)


@pytest.mark.parametrize(
    ("file", "package"), [("requirements-s3.lock", "moto"), ("requirements-fuzz.lock", "hypofuzz")]
)
def test_what_single_tests_are_run_with_is_locked_too(file: str, package: str) -> None:
    """It has an environment of its own, so its versions are its own."""
    assert package in {name for name, _ in locked(file)}
    assert hashed(file)


def hashed(file: str) -> bool:
    """Whether every package of a lock has the hashes of its files."""
    packages = [part for part in re.split(r"\n(?=\S)", (ROOT / file).read_text()) if "==" in part]
    return bool(packages) and all("--hash=sha256:" in part for part in packages)
