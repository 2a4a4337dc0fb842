"""Copies of the simulated lake, which tests may change."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.lakes import copy
from support.local_lake import Simulated

from etl.conf import Settings


@pytest.fixture
def copied(simulated: Simulated, tmp_path: Path) -> Iterator[Settings]:
    """A lake that the test may change."""
    settings = copy(simulated, tmp_path)
    yield settings
    shutil.rmtree(settings.lake)


@pytest.fixture(scope="module")
def shared(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake that a fixture of a module changes once."""
    return copy(simulated, tmp_path_factory.mktemp("shared"))


@pytest.fixture
def lake(two_shares: Simulated, tmp_path: Path) -> Iterator[Settings]:
    """A lake with share 1 (of 08:00, landed at 09:00) and share 2 (of 09:00, landed at 10:00), one commit each."""
    settings = copy(two_shares, tmp_path)
    yield settings
    shutil.rmtree(settings.lake)
