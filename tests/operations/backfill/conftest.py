"""A copy of the simulated lake, in which a test rebuilds hours."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.local_lake import Simulated, local_settings

from etl.conf import Settings


@pytest.fixture
def copied(simulated: Simulated, tmp_path: Path) -> Iterator[Settings]:
    """A lake with the same content as `simulated`, which the test may change."""
    settings = local_settings(tmp_path).model_copy(update={"landing": str(simulated.landing)})
    shutil.copytree(simulated.lake, settings.lake)
    yield settings
    shutil.rmtree(settings.lake)
