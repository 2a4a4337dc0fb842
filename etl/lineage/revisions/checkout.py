"""Reads the description of another git revision, with the package of that revision in a process of its own."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from etl import conf
from etl.errors import ConfigError, ContractViolation, first_line
from etl.lineage.revisions import description

FOLDERS = ("etl", "conf", "expectations")


def describe(revision: str) -> dict[str, Any]:
    """The description of a revision of this checkout.

    Raises ConfigError when there is no such revision, and ContractViolation when its tables cannot be described.
    """
    commit = _commit(revision)
    with tempfile.TemporaryDirectory(prefix="feed-etl-revision-") as folder:
        _extract(commit, Path(folder))
        return _described(revision, Path(folder))


def _commit(revision: str) -> str:
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found is None:
        raise ConfigError(
            f"There is no revision {revision!r} in {conf.home()}. Give a commit, branch or tag of this checkout. "
            "In CI, fetch the whole history first."
        )
    return found.decode().strip()


def _git(*words: str) -> bytes | None:
    """The output of a git command; None when it fails or there is no git."""
    try:
        return subprocess.run(["git", "-C", str(conf.home()), *words], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def _extract(commit: str, folder: Path) -> None:
    packed = _git("archive", "--format=tar", commit, *FOLDERS)
    if packed is None:
        raise ContractViolation(f"The revision {commit[:12]} has no folders {', '.join(FOLDERS)} to compare with.")
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        files.extractall(folder, filter="data")


def _described(revision: str, folder: Path) -> dict[str, Any]:
    """Run a copy of this release's `description.py` in `folder`, so that it imports the package next to it.

    It must be a file: PySpark takes a program given with `-c` for a doctest, and ends it without an error.
    """
    program, file = folder / "describe_revision.py", folder / "description.json"
    shutil.copy(description.__file__, program)
    done = subprocess.run(
        [sys.executable, str(program), str(file)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "FEED_ETL_HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ContractViolation(f"The tables of revision {revision!r} cannot be described: {first_line(why)}")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found
