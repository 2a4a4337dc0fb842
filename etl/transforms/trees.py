"""Find the root and depth of every node of a tree in a few joins, by pointer doubling.

In each round, every node finds an ancestor twice as far up. A tree of depth d takes log2(d) rounds, so depth has no
limit. The number of nodes limits the rounds, so the algorithm also ends when there is a cycle.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def find_roots(edges: DataFrame) -> DataFrame:
    """Rows (node, parent), one per node -> (node, root, depth, is_cyclic).

    A node is a root, at depth 0, when its parent is NULL or is not a node. is_cyclic is true for a node in a cycle or
    below one; root and depth of such a node have no meaning.
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
