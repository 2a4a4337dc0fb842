"""Post-processing of virality: the share tree of one post, by level and hour."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.errors import LakeError
from etl.transforms.trees import find_roots


def finish(rows: DataFrame, given: dict[str, Any]) -> DataFrame:
    """Shared posts with the post each one shares -> levels and hours. Raises LakeError when the post is in a cycle."""
    post = given["post_id"]
    root = rows.sparkSession.createDataFrame([(post, None)], "node BIGINT, parent BIGINT")
    edges = rows.where(F.col("post_id") != post).selectExpr("post_id AS node", "parent_post_id AS parent")
    tree = find_roots(edges.unionByName(root)).where((F.col("root") == post) & ~F.col("is_cyclic")).drop("is_cyclic")
    own = rows.where(F.col("post_id") == post).selectExpr("parent_post_id AS node")
    if not own.join(tree, "node").isEmpty():
        raise LakeError(
            f"Post {post} is a share of its own shares: fct_shares contains a cycle. Correct it at the producer."
        )
    shared = tree.where("depth > 0")
    levels = (
        shared.join(rows, shared["node"] == rows["post_id"]).groupBy("depth", "hour").agg(F.count("*").alias("shares"))
    )
    whole = _summary(levels)
    return levels.withColumnRenamed("depth", "level").crossJoin(whole).orderBy("level", "hour")


def _summary(levels: DataFrame) -> DataFrame:
    """One row: number of shares, deepest level, shares on the widest level, and shares of shares per share."""
    per_level = levels.groupBy("depth").agg(F.sum("shares").alias("shares"))
    return per_level.agg(
        F.sum("shares").alias("total_shares"),
        F.max("depth").alias("depth"),
        F.max("shares").alias("breadth"),
        F.round(F.expr("sum(if(depth > 1, shares, 0)) / sum(shares)"), 5).alias("reshare_factor"),
    )
