"""Walk parents of any depth in a few joins: each round every node learns its ancestor twice as far up.

A tree of depth d takes log2(d) rounds, so depth has no limit; the number of nodes bounds the
rounds, so a cycle ends.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def climb(edges: DataFrame) -> DataFrame:
    """Rows (node, parent), a node once -> (node, root, depth, is_cyclic).

    A node whose parent is NULL or no node is a root, at depth 0. A node that is in a cycle, or below one, is marked:
    its root and depth mean nothing.
    """
    known = edges.select(F.col("node").alias("parent"), F.lit(True).alias("_known"))
    up = F.when(F.col("_known"), F.col("parent"))
    nodes = (
        edges.join(known, "parent", "left")
        .select("node", up.alias("up"))
        .selectExpr("node", "up", "coalesce(up, node) AS root", "CAST(up IS NOT NULL AS BIGINT) AS depth")
        .localCheckpoint()
    )
    for _ in range(nodes.count().bit_length()):
        if nodes.where("up IS NOT NULL").isEmpty():
            break
        nodes = _twice_as_far(nodes).localCheckpoint()
    return nodes.select("node", "root", "depth", F.col("up").isNotNull().alias("is_cyclic"))


def _twice_as_far(nodes: DataFrame) -> DataFrame:
    above = nodes.selectExpr("node AS up", "up AS next", "root AS next_root", "depth AS further")
    return nodes.join(above, "up", "left").selectExpr(
        "node", "next AS up", "coalesce(next_root, root) AS root", "depth + coalesce(further, 0) AS depth"
    )
