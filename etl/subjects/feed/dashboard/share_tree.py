"""The share tree of a post: who shared it, who shared those shares, and so on.

Source: the virality question of the engagement data model. A share makes a new post, which can be shared again, so the
shares below a post form a tree. Data that forms no tree raises an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.errors import ConfigError, LakeError
from etl.queries import binding
from etl.reports.page_queries import Row, run_page_query

MAX_POSTS = 20_000  # a picture with more posts is not readable


@dataclass
class Node:
    """A post of the tree. `shares` are the posts that share it, oldest first.

    `parent`, `shared_at` and `channel` describe the share that made the post; they are None for the root.
    """

    post_id: int
    level: int
    parent: Node | None = None
    shared_at: datetime | None = None
    channel: str | None = None
    handle: str | None = None
    is_deleted: bool = False
    shares: list[Node] = field(default_factory=list)


@dataclass(frozen=True)
class Tree:
    """A post and all shares below it, level by level. `published` is None when dim_posts does not have the post."""

    levels: list[list[Node]]
    published: datetime | None

    @property
    def root(self) -> Node:
        """The post itself."""
        return self.levels[0][0]

    @property
    def shares(self) -> list[Node]:
        """Every share, oldest first within a level."""
        return [node for level in self.levels[1:] for node in level]

    @property
    def depth(self) -> int:
        """Shares on the longest path."""
        return len(self.levels) - 1

    @property
    def breadth(self) -> int:
        """Shares on the widest level."""
        return max((len(level) for level in self.levels[1:]), default=0)

    @property
    def reshare_factor(self) -> float | None:
        """Shares below the first level over all shares. None without a share."""
        return sum(map(len, self.levels[2:])) / len(self.shares) if self.shares else None

    @property
    def by_hour(self) -> dict[datetime, int]:
        """Shares per clock hour, from the hour of the first share to that of the last; an hour without shares has 0."""
        times = [node.shared_at for node in self.shares if node.shared_at]
        found = Counter(t.replace(minute=0, second=0, microsecond=0) for t in times)
        if not found:
            return {}
        count = int((max(found) - min(found)) / timedelta(hours=1)) + 1
        return {h: found[h] for h in (min(found) + i * timedelta(hours=1) for i in range(count))}


def grow(root: int, shares_of: Callable[[list[int]], Iterable[Row]]) -> list[list[Node]]:
    """The levels of the tree of a post, the root first. `shares_of` returns the shares of some posts, oldest first.

    Raises LakeError when a post is reached twice (a cycle, or two shares that make one post), ConfigError when the tree
    has more than MAX_POSTS posts.
    """
    levels, seen = [[Node(root, 0)]], {root}
    while levels[-1]:
        parents = {node.post_id: node for node in levels[-1]}
        found = [_attach(parents[row["original_post_id"]], row, seen) for row in shares_of(list(parents))]
        if len(seen) > MAX_POSTS:
            raise ConfigError(f"Post {root} has more than {MAX_POSTS:,} shares below it. Draw one of its shares.")
        levels.append(found)
    return levels[:-1]


def _attach(parent: Node, row: Row, seen: set[int]) -> Node:
    post = row["shared_post_id"]
    if post in seen:
        raise LakeError(
            f"Share {row['share_id']} makes post {post} of post {parent.post_id}, but post {post} is in the tree "
            "already. Look at the rows of fct_shares for these posts."
        )
    seen.add(post)
    node = Node(post, parent.level + 1, parent, row["share_ts"], row["channel"])
    parent.shares.append(node)
    return node


def collect(spark: SparkSession, settings: Settings, post_id: int) -> Tree:
    """The tree of a post. Raises ConfigError for a post neither published nor shared, LakeError for a cycle."""
    levels = grow(post_id, lambda posts: run_page_query(spark, settings, "shares_of", post_ids=posts))
    nodes = {node.post_id: node for level in levels for node in level}
    now = binding.latest(spark, settings, "fct_shares")
    known = run_page_query(spark, settings, "posts_now", post_ids=list(nodes), end=now)
    for row in known:
        nodes[row["post_id"]].handle, nodes[row["post_id"]].is_deleted = row["handle"], bool(row["is_deleted"])
    published = next((row["published"] for row in known if row["post_id"] == post_id), None)
    if published is None and len(levels) == 1:
        raise ConfigError(f"There is no post {post_id} in {settings.lake}. Try one from dim_posts or fct_shares.")
    return Tree(levels, published)
