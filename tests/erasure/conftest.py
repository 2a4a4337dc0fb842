"""Lakes and landing zones copied from the simulated ones. Times of files are kept: a run finds nothing new."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import Simulated, place

from etl.conf import Settings


def copy(simulated: Simulated, folder: Path) -> Settings:
    """The same content as `simulated` in a place of its own."""
    settings = place(folder)
    shutil.copytree(simulated.lake, settings.lake)
    shutil.copytree(simulated.landing, settings.landing)
    outbox = settings.mail.model_copy(update={"outbox": str(folder / "outbox")})
    return settings.model_copy(update={"mail": outbox})


@pytest.fixture
def copied(simulated: Simulated, tmp_path: Path) -> Iterator[Settings]:
    """A lake that the test may change."""
    settings = copy(simulated, tmp_path)
    yield settings
    shutil.rmtree(settings.lake)


@pytest.fixture(scope="module")
def shared(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake that a module's own fixture changes once."""
    return copy(simulated, tmp_path_factory.mktemp("shared"))
