"""Set-up installs locked packages only: each has a version and the hashes of its files."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXTRAS = {"requirements.lock": ("test", "bench", "dev"), "requirements-airflow.lock": ("airflow",)}
LOCKED = re.compile(r"^(?P<name>[\w.-]+)(\[[^]]*\])?==(?P<version>\S+)", re.M)


def locked(file: str) -> set[tuple[str, str]]:
    """(name, version) of each package of a lock file."""
    return {(m["name"], m["version"]) for m in LOCKED.finditer((ROOT / file).read_text())}


def declared(*extras: str) -> set[str]:
    """Names of the packages that setup.cfg requires."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"] if "dev" in extras else ""
    lines += "".join(setup["options.extras_require"][extra] for extra in extras)
    return {re.split(r"[\s<>=!~\[]", line)[0].lower() for line in lines.splitlines() if line}


@pytest.mark.parametrize("file", EXTRAS)
def test_every_required_package_is_locked(file: str) -> None:
    assert declared(*EXTRAS[file]) <= {name for name, _ in locked(file)}


@pytest.mark.parametrize("file", EXTRAS)
def test_every_locked_package_has_hashes(file: str) -> None:
    assert has_hashes(file)


def test_the_environments_have_the_same_version_of_a_package() -> None:
    ours, of_airflow = (locked(file) for file in EXTRAS)
    shared = {name for name, _ in ours} & {name for name, _ in of_airflow}
    assert {p for p in ours if p[0] in shared} == {p for p in of_airflow if p[0] in shared}


@pytest.mark.parametrize(
    ("file", "package"), [("requirements-s3.lock", "moto"), ("requirements-fuzz.lock", "hypofuzz")]
)
def test_packages_of_separate_test_environments_are_locked_too(file: str, package: str) -> None:
    """They are installed into their own environment, so their versions may differ."""
    assert package in {name for name, _ in locked(file)}
    assert has_hashes(file)


def has_hashes(file: str) -> bool:
    """Whether every package of a lock file has the hashes of its files."""
    packages = [part for part in re.split(r"\n(?=\S)", (ROOT / file).read_text()) if "==" in part]
    return bool(packages) and all("--hash=sha256:" in part for part in packages)
