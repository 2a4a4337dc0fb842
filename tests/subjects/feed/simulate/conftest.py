"""One simulated feed, which all tests of this folder read."""

from __future__ import annotations

import pytest
from support.read_back import HOUR, START, Feed, read_landing

from etl.subjects.feed.simulate import simulate


@pytest.fixture(scope="session")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Feed:
    """Three hours with three thousand impressions each."""
    out = tmp_path_factory.mktemp("landing")
    summary = simulate(out, START, START + 3 * HOUR, 3_000, seed=7)
    return Feed(out, summary, read_landing(out))
