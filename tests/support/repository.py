"""A copy of this repository, which a test may change."""

from __future__ import annotations

import shutil
from pathlib import Path

from etl import conf


def copy_repository(folder: Path) -> Path:
    """Copy the code, its configuration, rules and tests into a new folder; returns the folder."""
    for name in ("etl", "conf", "expectations", "tests"):
        shutil.copytree(conf.home() / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(conf.home() / "pyproject.toml", folder)
    return folder
