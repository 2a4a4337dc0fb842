"""The dashboard and the share tree of a lake show the numbers that the simulator knows to be true."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.browser import opened
from support.local_lake import END, START, Simulated, local_settings
from support.truth import expected

from etl.errors import ConfigError, LakeError
from etl.reports import dashboard
from etl.subjects.feed.dashboard import share_tree


def test_tiles_of_a_simulated_feed_show_the_truth(spark: SparkSession, simulated: Simulated, tmp_path: Path) -> None:
    """Impressions, quarantine share, lift and regret against the simulator's own count."""
    landing = [r for r in expected(simulated.landing, "landing") if r["event"] != "heartbeats"]
    newest = max(r["landed_hour"] for r in landing)
    (served,) = [r["accepted"] for r in landing if r["event"] == "impressions" and r["landed_hour"] == newest]
    sums = {c: sum(r[c] for r in landing) for c in ("records", "quarantined")}
    semver = {r["ranker_model_id"]: r["model_semver"] for r in expected(simulated.landing, "dim_ranker_models")}
    total: dict[str, Counter[str]] = {}
    for row in expected(simulated.landing, "agg_ranker_hourly"):
        counted = {c: row[c] for c in ("impressions", "likes", "likes_given", "regrets")}
        total.setdefault(semver[row["ranker_model_id"]], Counter()).update(counted)
    old, new = (total[name] for name in sorted(total))

    with opened(dashboard.write(spark, simulated.settings, tmp_path / "dashboard.html")) as seen:
        assert seen.tile("impressions") == served
        assert seen.tile("quarantine") == pytest.approx(sums["quarantined"] / sums["records"])
        lift = new["likes"] / new["impressions"] / (old["likes"] / old["impressions"]) - 1
        assert seen.tile("like-lift") == pytest.approx(lift)
        assert seen.tile("regret") == pytest.approx(new["regrets"] / new["likes_given"])
        assert seen.tile("gates") == 0 and seen.tile("freshness") == 0
        assert (seen.tile("skew") or 9) < 1.4 and (seen.tile("collapse") or 0) > 1
        assert seen.complaints == []


def test_an_interval_shows_only_its_own_hours(spark: SparkSession, simulated: Simulated, tmp_path: Path) -> None:
    with opened(
        dashboard.write(spark, simulated.settings, tmp_path / "one.html", (START, END - (END - START) / 3))
    ) as seen:
        seen.page.locator("#figure-landed summary").click()
        assert seen.page.locator("#figure-landed tbody tr").count() == 2


def test_a_lake_without_a_run_raises_an_error_with_the_next_step(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="feed-etl run"):
        dashboard.write(spark, local_settings(tmp_path), tmp_path / "none.html")


def test_a_share_tree_has_the_shares_of_the_simulator(spark: SparkSession, simulated: Simulated) -> None:
    """The post with the most descendants has every share below it, each under the post that it shares."""
    parent = {r["shared_post_id"]: r["original_post_id"] for r in expected(simulated.landing, "fct_shares")}

    def root(post: int) -> int:
        return root(parent[post]) if post in parent else post

    of_root = Counter(root(post) for post in parent)
    (post_id, count), *_ = of_root.most_common(1)

    found = share_tree.collect(spark, simulated.settings, post_id)

    assert {n.post_id: n.parent and n.parent.post_id for n in found.shares} == {
        p: o for p, o in parent.items() if root(p) == post_id
    }
    assert len(found.shares) == count and found.depth >= 2


def test_an_unknown_post_is_rejected(spark: SparkSession, simulated: Simulated) -> None:
    with pytest.raises(ConfigError, match="no post 424242"):
        share_tree.collect(spark, simulated.settings, 424242)
