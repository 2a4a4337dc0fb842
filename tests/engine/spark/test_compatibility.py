"""A session of a pair of Spark and Delta that is not supported ends in one line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from pyspark.sql import SparkSession

from etl.engine.spark import compatibility
from etl.errors import ConfigError


def test_the_pair_that_set_up_installs_is_supported(spark: SparkSession) -> None:
    compatibility.check(spark)


@pytest.mark.parametrize(("ours", "delta"), [("4.0.0", "4.4.0"), ("4.2.0", "4.0.0"), ("4.2.0", "none")])
def test_another_pair_is_refused(monkeypatch: pytest.MonkeyPatch, ours: str, delta: str) -> None:
    monkeypatch.setattr(compatibility, "delta_version", lambda _: delta)
    session = cast(SparkSession, SimpleNamespace(version=ours))
    with pytest.raises(ConfigError, match=f"runs Spark {ours} with Delta {delta}. feed-etl supports Spark 4.2.0"):
        compatibility.check(session)
