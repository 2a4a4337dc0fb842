"""Post-processing of comment_thread: adds the root and the depth of each comment."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.errors import LakeError
from etl.transforms.trees import find_roots


def finish(rows: DataFrame, given: dict[str, Any]) -> DataFrame:
    """Comments with their parent -> comments with root and depth. Raises LakeError when comments form a cycle."""
    parent = F.col("parent_comment_id")
    top = given["comment_id"]
    cut = parent if top is None else F.when(F.col("comment_id") != top, parent)
    placed = find_roots(rows.select(F.col("comment_id").alias("node"), cut.alias("parent")))
    cycle = placed.where("is_cyclic").orderBy("node").limit(5).collect()
    if cycle:
        listed = ", ".join(str(row["node"]) for row in cycle)
        raise LakeError(
            f"Comments of post {given['post_id']} reply to each other in a cycle, or are below one: {listed}. "
            "Correct their parent_comment_id at the producer."
        )
    if top is not None:
        placed = placed.where(F.col("root") == top)
    return (
        rows.join(placed, rows["comment_id"] == placed["node"])
        .select("depth", "comment_id", "parent_comment_id", F.col("root").alias("root_comment_id"),
                "viewer_id", "event_ts", "is_removed")
        .orderBy("depth", "event_ts", "comment_id")
    )  # fmt: skip
