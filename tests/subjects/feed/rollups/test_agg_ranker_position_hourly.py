"""agg_ranker_position_hourly: measures by position and score, where models are comparable."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.rows import Row, assert_rows, at, facts, minted

from etl.subjects.feed.rollups.agg_ranker_position_hourly import TABLE, transform

FIRST, SECOND = minted(at("10:10")), minted(at("10:11"))


def test_several_reactions_to_one_impression_are_one_engaged_impression(spark: SparkSession) -> None:
    """A row per reaction would count the impression, its dwell and its score twice. A hide engages nobody."""
    scored = {"predicted_score": Decimal("0.25"), "feed_position": 4}
    impressions, engagements, dwell = facts(
        spark,
        [{"impression_id": FIRST, **scored}, {"impression_id": SECOND, **scored}],
        [{"impression_id": FIRST, "event_type": kind, "event_ts": at("10:12")} for kind in ("like", "save")]
        + [{"impression_id": SECOND, "event_type": "hide", "event_ts": at("10:12")}],
        [{"impression_id": FIRST, "dwell_ms": 8000}],
    )

    made = transform(impressions, engagements, dwell)

    joined = impressions.join(engagements, "impression_id").join(dwell, "impression_id", "left")
    assert joined.agg(F.count("*"), F.sum("dwell_ms"), F.sum("predicted_score")).collect()[0][:2] == (3, 16_000)
    assert_rows(made, TABLE, [{
        "position_bucket": 3, "score_bucket": Decimal("0.2"), "hour": at("10:00"), "impressions": 2,
        "engaged_impressions": 1, "likes": 1, "saves": 1, "likes_given": 1, "regrets": 0, "negatives": 1,
        "dwell_ms_sum": 8000, "dwell_count": 1, "predicted_score_sum": Decimal("0.5"),
    }])  # fmt: skip


def test_every_position_and_score_has_its_bucket(spark: SparkSession) -> None:
    """A cut point is in the bucket above it. Scores below 0 and above 1 are in the first and the last bucket."""
    positions = {0: 0, 1: 1, 2: 2, 3: 3, 5: 3, 6: 6, 10: 6, 11: 11, 20: 11, 21: 21, 500: 21}
    scores = {"-0.5": "0.0", "0.099999": "0.0", "0.1": "0.1", "0.899999": "0.8", "0.9": "0.9", "7": "0.9"}
    given: list[Row] = [{"feed_position": p, "surface": "feed"} for p in positions]
    given += [{"predicted_score": Decimal(s), "surface": "reels", "feed_position": 0} for s in scores]

    made = transform(*facts(spark, given, []))

    def counted(surface: str, bucket: str) -> list[tuple[Any, int]]:
        return sorted((r[bucket], r["impressions"]) for r in made.where(F.col("surface") == surface).collect())

    assert counted("feed", "position_bucket") == [(0, 1), (1, 1), (2, 1), (3, 2), (6, 2), (11, 2), (21, 2)]
    assert counted("reels", "score_bucket") == [
        (Decimal("0.0"), 2), (Decimal("0.1"), 1), (Decimal("0.8"), 1), (Decimal("0.9"), 2)
    ]  # fmt: skip


def test_a_reaction_outside_of_the_window_engages_nobody(spark: SparkSession) -> None:
    late = {"impression_id": FIRST, "event_ts": at("10:10", day=2)}

    made = transform(*facts(spark, [{"impression_id": FIRST}], [late]))

    assert_rows(made, TABLE, [{"impressions": 1, "engaged_impressions": 0, "likes": 0, "likes_given": 0}])
