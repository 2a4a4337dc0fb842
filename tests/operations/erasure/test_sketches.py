"""Keyed sketches of people: the same estimates as plain ones, and nobody can be found in them without the key."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.local_lake import END, START
from support.rows import at, rows

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import ddl, runner
from etl.engine.people import keyed, keys, pseudonyms
from etl.engine.sql import views
from etl.errors import ConfigError
from etl.model.contract import Table
from etl.model.privacy import REPLACEMENT_IDS_BELOW
from etl.subjects.ads.facts import fct_ad_clicks
from etl.subjects.feed.facts import fct_dwell_per_impression, fct_engagements, fct_impressions
from etl.transforms.sketches import HLL_LG_K

KEY = "4f6d1c5e0b7a4f6d1c5e0b7a4f6d1c5e"
MEMBERS = [*range(1000, 1040), REPLACEMENT_IDS_BELOW - 7]
SKETCHES = [t for t in catalog.tables() if t.has_sketch]
HOURLY = catalog.entry("agg_post_engagement_hourly").table


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a pseudonym key."""
    monkeypatch.setenv(keys.SECRET, KEY)


def posts(spark: SparkSession, logic: Callable[..., DataFrame]) -> DataFrame:
    """Build a rollup of one post that the members saw."""
    seen = rows(spark, fct_impressions.TABLE, [{"viewer_id": v, "post_id": 1} for v in MEMBERS])
    acts = rows(spark, fct_engagements.TABLE, [{"viewer_id": v, "event_ts": at("10:30")} for v in MEMBERS[:3]])
    dwell = rows(spark, fct_dwell_per_impression.TABLE, [])
    return logic(fct_impressions=seen, fct_engagements=acts, fct_dwell_per_impression=dwell)


def ads(spark: SparkSession, logic: Callable[..., DataFrame]) -> DataFrame:
    """Build a rollup of one ad that the members clicked."""
    return logic(fct_ad_clicks=rows(spark, fct_ad_clicks.TABLE, [{"user_id": u, "ad_id": 1} for u in MEMBERS]))


def members(spark: SparkSession, sketch: bytes, tried: list[int]) -> set[int]:
    """Return the ids that do not change the estimate when they are added: what an attacker with the lake can test."""
    frame = spark.createDataFrame([(i,) for i in tried], "id BIGINT")
    one = frame.groupBy("id").agg(F.hll_sketch_agg("id", HLL_LG_K).alias("one"))
    both = one.select("id", F.hll_sketch_estimate(F.hll_union(F.lit(sketch), "one")).alias("n"))
    size = spark.range(1).select(F.hll_sketch_estimate(F.lit(sketch))).collect()[0][0]
    return {row["id"] for row in both.where(F.col("n") == size).collect()}


@pytest.mark.parametrize(
    ("table", "made", "column"),
    [("agg_post_engagement_hourly", posts, "reach_hll"), ("agg_ad_clicks_5min", ads, "users_hll")],
)
def test_nobody_is_found_in_a_keyed_sketch_by_trying_ids(
    spark: SparkSession, key: None, table: str, made: Callable[..., DataFrame], column: str
) -> None:
    """Trying ids finds the members of a plain sketch. A keyed one has the same estimate, and holds keyed numbers."""
    entry = catalog.entry(table)
    plain = made(spark, entry.transform).where(f"length({column}) > 8").collect()[0]
    hidden = made(spark, pseudonyms.pseudonymize(entry.table, entry.transform, "keyed")).where(f"length({column}) > 8")
    row = hidden.collect()[0]
    tried = [*range(900, 1100), *MEMBERS]
    people = set(MEMBERS[:-1])
    assert people <= members(spark, bytes(plain[column]), tried)
    assert not people & members(spark, bytes(row[column]), tried)
    numbers = [keyed.number(KEY.encode(), pseudonyms.NAMESPACE, v) for v in people]
    assert set(numbers) == members(spark, bytes(row[column]), numbers)
    assert {k: v for k, v in row.asDict().items() if k != column} == {
        k: v for k, v in plain.asDict().items() if k != column
    }


def test_sql_and_python_give_the_same_keyed_number_for_keys_of_any_length(spark: SparkSession) -> None:
    ids = [0, 1, -5, 2**62, -(2**63)]
    for secret in (b"k" * 32, b"k" * 64, b"k" * 65, b"k" * 200):
        made = keyed.columns(spark, secret).number("erased", F.col("id"))
        found = spark.createDataFrame([(i,) for i in [*ids, None]], "id BIGINT").select("id", made).collect()
        assert {r[0]: r[1] for r in found} == {i: keyed.number(secret, "erased", i) for i in ids} | {None: None}


@pytest.mark.parametrize("table", SKETCHES, ids=lambda t: t.name)
def test_describe_says_whether_sketches_are_keyed(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(keys.SECRET, "")
    assert "trying ids" in str(pseudonyms.describe(table)["sketches"])
    monkeypatch.setenv(keys.SECRET, KEY)
    assert str(pseudonyms.describe(table)["sketches"]).startswith("keyed ")


def make(spark: SparkSession, settings: Settings, name: str) -> str:
    """Create an empty table. Returns its URI."""
    table = catalog.entry(name).table
    uri = views.uri(settings, table)
    ddl.ensure(spark, table, uri)
    return uri


def test_sketches_of_two_keys_are_never_merged(
    spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New tables that merge sketches of ids also have sketches of ids. Another key than that of a table is refused."""
    monkeypatch.setenv(keys.SECRET, "")
    hourly = make(spark, settings, "agg_post_engagement_hourly")
    monkeypatch.setenv(keys.SECRET, KEY)
    daily = make(spark, settings, "mart_post_engagement_daily")
    clicks = make(spark, settings, "agg_ad_clicks_5min")
    kinds = [delta.properties(spark, uri)[pseudonyms.SKETCHES] for uri in (hourly, daily, clicks)]
    assert kinds == ["ids", "ids", pseudonyms.sketch_id_kind()]
    context = runner.open_context(spark, settings, (START, END))
    assert pseudonyms.sketch_id_kind_of(spark, context.uri(HOURLY)) == "ids"
    for key in ("", "x" * 32):
        monkeypatch.setenv(keys.SECRET, key)
        with pytest.raises(ConfigError, match="agg_ad_clicks_5min holds sketches of another"):
            runner.open_context(spark, settings)


def test_a_table_that_would_merge_sketches_of_another_kind_is_refused(
    spark: SparkSession, settings: Settings, key: None
) -> None:
    runner.open_context(spark, settings)  # which makes the ledger
    hourly = make(spark, settings, "agg_post_engagement_hourly")
    make(spark, settings, "mart_post_engagement_daily")
    spark.sql(f"ALTER TABLE delta.`{hourly}` SET TBLPROPERTIES ('{pseudonyms.SKETCHES}' = 'ids')")
    with pytest.raises(
        ConfigError, match=r"mart_post_engagement_daily holds sketches of kind 'keyed .* are of kind 'ids'"
    ):
        runner.open_context(spark, settings)
