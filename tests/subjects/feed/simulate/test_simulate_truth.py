"""The truth of a simulated feed agrees with its landing files."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

from support.read_back import Feed, Row, did, floor, minted, moment


def test_the_true_impressions_are_the_valid_impressions_of_the_files(feed: Feed) -> None:
    truth = {row["impression_id"]: row for row in feed.truth("fct_impressions")}
    found = feed.distinct("impressions", "impression_id")
    assert truth.keys() == found.keys()
    for key, row in found.items():
        assert moment(truth[key]["impression_hour"]) == floor(minted(key))
        assert float(truth[key]["predicted_score"]) == row["predicted_score"]


def test_the_true_engagements_and_shares_are_those_of_the_files(feed: Feed) -> None:
    engagements = feed.distinct("engagements", "engagement_id")
    truth = {row["engagement_id"]: row for row in feed.truth("fct_engagements")}
    assert truth.keys() == engagements.keys()
    for key, row in engagements.items():
        assert truth[key]["is_undone"] == (row["action"] == "undo")
        assert moment(truth[key]["event_ts"]) == did(row)[-1]
    assert {row["share_id"] for row in feed.truth("fct_shares")} == feed.distinct("shares", "share_id").keys()


def test_true_dwell_is_250_ms_per_distinct_beat(feed: Feed) -> None:
    beats: dict[int, set[int]] = defaultdict(set)
    peak: dict[int, float] = defaultdict(float)
    for row in feed.rows("heartbeats"):
        beats[row["impression_id"]].add(row["beat_seq"])
        peak[row["impression_id"]] = max(peak[row["impression_id"]], row["viewport_pct"])
    truth = feed.truth("fct_dwell_per_impression")
    assert {row["impression_id"]: row["dwell_ms"] for row in truth} == {k: 250 * len(v) for k, v in beats.items()}
    assert all(row["was_full_view"] == (peak[row["impression_id"]] >= 0.99) for row in truth)


def test_true_likes_are_not_undone_and_count_once_per_hour(feed: Feed) -> None:
    rows = feed.distinct("engagements", "engagement_id").values()
    undone = {did(row) for row in rows if row["action"] == "undo"}
    not_undone = {
        (row["viewer_id"], row["post_id"], floor(row["event_ts"]))
        for row in rows
        if row["event_type"] == "like" and row["action"] == "do" and did(row) not in undone
    }
    per_post = Counter(post for _viewer, post, _hour in not_undone)
    hourly: Counter[int] = Counter()
    for row in feed.truth("agg_post_engagement_hourly"):
        hourly[row["post_id"]] += row["likes"]
    assert +hourly == per_post
    assert all(row["likes"] == per_post[row["post_id"]] for row in feed.truth("mart_post_engagement_daily"))


def test_true_rollups_and_marts_count_every_impression_once(feed: Feed) -> None:
    total = len(feed.truth("fct_impressions"))
    for table in ("agg_post_engagement_hourly", "agg_ranker_hourly", "mart_post_engagement_daily"):
        assert sum(row["impressions"] for row in feed.truth(table)) == total
    assert sum(row["impressions"] for row in feed.truth("mart_user_affinity_daily")) == total


def test_true_versions_do_not_overlap_and_at_most_one_is_current(feed: Feed) -> None:
    for table, key in (
        ("dim_posts", "post_id"),
        ("dim_creators", "creator_id"),
        ("dim_ranker_models", "model_semver"),
    ):
        by_key: dict[Any, list[Row]] = defaultdict(list)
        for row in feed.truth(table):
            by_key[row[key]].append(row)
        for versions in by_key.values():
            for one, after in pairwise(versions):
                assert one["valid_from"] < one["valid_to"] <= after["valid_from"]
            assert sum(row["is_current"] for row in versions) <= 1
