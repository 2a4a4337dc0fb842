"""A lake and a landing zone of the test's own, copied from the simulated ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import Simulated, place

from etl.conf import Settings


@pytest.fixture
def copied(simulated: Simulated, tmp_path: Path) -> Iterator[Settings]:
    """The same content as `simulated`, which the test may change. Times of files are kept: a run finds nothing new."""
    settings = place(tmp_path)
    shutil.copytree(simulated.lake, settings.lake)
    shutil.copytree(simulated.landing, settings.landing)
    yield settings
    shutil.rmtree(settings.lake)
