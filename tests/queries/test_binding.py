"""Named queries over a lake: only the partitions of the interval are read, and `latest` is found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession
from support.local_lake import END, START, Simulated

from etl.conf import Settings
from etl.errors import ConfigError, LakeError
from etl.queries import binding, named_query, run
from etl.queries.binding import BoundQuery, Read

HOUR = timedelta(hours=1)


def bound_query(spark: SparkSession, settings: Settings, name: str, **params: Any) -> BoundQuery:
    """A named query with its parameters bound."""
    found = named_query.load(name)
    return binding.bind(spark, settings, found, found.typed(params))


def read(spark: SparkSession, simulated: Simulated, name: str, **params: Any) -> Read:
    """What a query reads of its first input."""
    bound = bound_query(spark, simulated.settings, name, **params)
    return binding.reads(spark, simulated.settings, bound)[0]


@pytest.mark.parametrize(
    ("name", "more", "partitions"),
    [
        ("top_creators", {}, 1),
        ("feed_signals", {}, 1),
        ("brand_safety_velocity", {}, 2),
        ("comment_thread", {"post_id": 1}, 1),
        ("virality", {"post_id": 1}, 1),
    ],
)
def test_a_query_of_one_hour_reads_one_hour(
    spark: SparkSession, simulated: Simulated, name: str, more: dict[str, int], partitions: int
) -> None:
    """The velocity also reads the hour before."""
    found = read(spark, simulated, name, start=START + HOUR, end=START + 2 * HOUR, **more)

    assert len(found.partitions) == partitions < found.of_partitions
    assert 0 < found.files < found.of_files


@pytest.mark.parametrize(
    ("name", "more"), [("creator_analytics", {"creator_id": 1}), ("ranker_lift", {"control": "a", "treatment": "b"})]
)
def test_days_outside_the_interval_are_not_read(
    spark: SparkSession, simulated: Simulated, name: str, more: dict[str, Any]
) -> None:
    found = read(spark, simulated, name, start="2026-07-01", end="2026-07-03", **more)

    assert found.partitions == () and found.files == 0 < found.of_files


def test_the_default_interval_ends_with_the_last_hour(spark: SparkSession, simulated: Simulated) -> None:
    values = bound_query(spark, simulated.settings, "virality", post_id=1).values

    assert values["end"] == END and values["start"] == END - timedelta(days=30)


def test_days_that_are_only_kept_with_a_pseudonym_key_are_refused_without_one(
    spark: SparkSession, simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marts per viewer are kept for 30 days, of which CUPED reads 14 before the interval."""
    given: dict[str, Any] = {"control": "a", "treatment": "b", "end": "2026-06-20"}
    bound_query(spark, simulated.settings, "ranker_lift", start="2026-06-04", **given)
    with pytest.raises(ConfigError, match="has 17 days, and at most 16 are possible"):
        bound_query(spark, simulated.settings, "ranker_lift", start="2026-06-03", **given)
    monkeypatch.setenv("FEED_ETL_PSEUDONYM_KEY", "k" * 32)
    bound_query(spark, simulated.settings, "ranker_lift", start="2026-06-03", **given)


def test_the_error_for_a_missing_input_names_it(spark: SparkSession, settings: Settings) -> None:
    with pytest.raises(LakeError, match="agg_post_engagement_hourly is not in the lake yet"):
        run(spark, settings, "top_creators")
