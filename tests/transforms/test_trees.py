"""comment_thread and virality: trees of any depth; cycles are rejected."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from support.query_rows import run_query
from support.rows import Row, at

from etl.errors import LakeError

RANGE = {"start": "2026-06-01T08", "end": "2026-06-01T12"}


def comments(*pairs: tuple[int, int | None]) -> dict[str, list[Row]]:
    """Comments of post 1 as (comment, parent) pairs, each by another viewer."""
    acts: list[Row] = [
        {"post_id": 1, "viewer_id": i, "event_type": "comment", "comment_id": child, "parent_comment_id": parent}
        for i, (child, parent) in enumerate(pairs, 1)
    ]
    return {"fct_engagements": acts}


def thread(spark: SparkSession, tables: dict[str, list[Row]], **params: int) -> list[tuple[int, int, int]]:
    """(depth, comment, root) of each comment."""
    found = run_query(spark, "comment_thread", tables, post_id=1, **params, **RANGE)
    return [(r["depth"], r["comment_id"], r["root_comment_id"]) for r in found]


def test_every_comment_has_its_depth_and_root(spark: SparkSession) -> None:
    assert thread(spark, comments((10, None), (11, 10), (12, 11), (20, None), (21, 20))) == [
        (0, 10, 10), (0, 20, 20), (1, 11, 10), (1, 21, 20), (2, 12, 10),
    ]  # fmt: skip


def test_a_thread_can_be_two_thousand_replies_deep(spark: SparkSession) -> None:
    chain = [(1, None), *((i, i - 1) for i in range(2, 2001))]

    assert thread(spark, comments(*chain))[-1] == (1999, 2000, 1)


def test_a_thread_below_one_comment_starts_at_this_comment(spark: SparkSession) -> None:
    given = comments((10, None), (11, 10), (12, 11), (13, 10))

    assert thread(spark, given, comment_id=11) == [(0, 11, 11), (1, 12, 11)]


def test_a_reply_to_an_unknown_comment_starts_a_thread(spark: SparkSession) -> None:
    assert thread(spark, comments((11, 10), (12, 11))) == [(0, 11, 11), (1, 12, 11)]


def test_the_error_for_a_cycle_of_comments_lists_their_ids(spark: SparkSession) -> None:
    with pytest.raises(LakeError, match=r"cycle.*: 10, 11, 12, 13"):
        thread(spark, comments((10, 12), (11, 10), (12, 11), (13, 12), (20, None)))


def test_an_undone_comment_keeps_its_place_without_its_author(spark: SparkSession) -> None:
    given = comments((10, None), (11, 10))
    given["fct_engagements"].append({**given["fct_engagements"][0], "undone_ts": at("10:30")})

    found = run_query(spark, "comment_thread", given, post_id=1, **RANGE)

    assert [(r["comment_id"], r["viewer_id"], r["is_removed"]) for r in found] == [(10, None, True), (11, 2, False)]


def shares(*pairs: tuple[int, int]) -> dict[str, list[Row]]:
    """Shares of (original, shared) posts."""
    return {"fct_shares": [{"original_post_id": o, "shared_post_id": s, "share_ts": at("10:30")} for o, s in pairs]}


def test_a_share_tree_has_depth_breadth_and_a_reshare_factor(spark: SparkSession) -> None:
    """Post 1 is shared as 2 and 3, post 3 as 4, 5 and 6, and post 6 as 7. Posts 8 and 9 are another tree."""
    found = run_query(
        spark, "virality", shares((1, 2), (1, 3), (3, 4), (3, 5), (3, 6), (6, 7), (8, 9)), post_id=1, **RANGE
    )

    assert [(r["level"], r["shares"]) for r in found] == [(1, 2), (2, 3), (3, 1)]
    assert {(r["total_shares"], r["depth"], r["breadth"], r["reshare_factor"]) for r in found} == {(6, 3, 3, 0.66667)}


def test_a_share_is_the_root_of_its_own_tree(spark: SparkSession) -> None:
    found = run_query(spark, "virality", shares((1, 3), (3, 4), (4, 5)), post_id=3, **RANGE)

    assert [(r["level"], r["shares"]) for r in found] == [(1, 1), (2, 1)]


def test_a_cycle_of_shares_is_rejected_only_for_posts_in_the_cycle(spark: SparkSession) -> None:
    given = shares((1, 2), (5, 6), (6, 5))

    assert len(run_query(spark, "virality", given, post_id=1, **RANGE)) == 1
    with pytest.raises(LakeError, match="cycle"):
        run_query(spark, "virality", given, post_id=5, **RANGE)
