"""The virality page of a post: its share tree over time, shares per hour, and the main numbers."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from matplotlib.axes import Axes
from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.operations.erasure import written_pages
from etl.reports import charts, pages
from etl.reports import figure as fig
from etl.reports.axes import HALF, days, hour, number, time_axis
from etl.reports.figure import Figure
from etl.reports.tile import Tile
from etl.subjects.feed.dashboard import share_tree
from etl.subjects.feed.dashboard.share_tree import Node, Tree

NAMED = 40  # up to this many posts have room for their ids
LISTED = 500  # shares in the table


def write(spark: SparkSession, settings: Settings, post_id: int, out: Path) -> Path:
    """Write the page of a post and return its path. Raises ConfigError for an unknown post, LakeError for a cycle."""
    content = page(share_tree.collect(spark, settings, post_id))
    written_pages.record(spark, settings, out)
    return pages.write(content, out)


def page(tree: Tree) -> str:
    """The HTML of the page."""
    figures = [_tree_figure(tree), _hours_figure(tree)] if tree.shares else []
    return pages.render(
        "virality.html.j2", package=__package__, tree=tree, tiles=_tiles(tree), figures=figures, listed=LISTED
    )


def _tiles(tree: Tree) -> list[Tile]:
    by_hour, factor = tree.by_hour, tree.reshare_factor
    per_hour = len(tree.shares) / len(by_hour) if by_hour else None
    rate = "none" if per_hour is None else f"{per_hour:.2f}"
    deleted = sum(node.is_deleted for node in tree.shares)
    hours = f"over {len(by_hour)} hours, at most {max(by_hour.values())} in one" if by_hour else "never shared"
    return [
        Tile("shares", "Shares", number(len(tree.shares)), len(tree.shares), "plain", f"{deleted} deleted since"),
        Tile("depth", "Depth", str(tree.depth), tree.depth, "plain", "shares in a row, at most"),
        Tile("breadth", "Breadth", str(tree.breadth), tree.breadth, "plain", "shares on the widest level"),
        Tile("per-hour", "Shares per hour", rate, per_hour, "plain", hours),
        Tile("reshare-factor", "Reshare factor", "none" if factor is None else f"{factor:.2f}", factor, "plain",
             "further shares per share; 1 and more keeps growing"),
    ]  # fmt: skip


def _rows(tree: Tree) -> dict[int, int]:
    """Post id -> its row in the picture. The shares of a post follow below it, so each row has one mark."""
    rows: dict[int, int] = {}
    stack = [tree.root]
    while stack:
        node = stack.pop()
        rows[node.post_id] = len(rows)
        stack += reversed(node.shares)
    return rows


@fig.styled
def _tree_figure(tree: Tree) -> Figure:
    rows_of = _rows(tree)
    nodes = [tree.root, *tree.shares]
    canvas, (axes,) = fig.canvas(min(14, max(2.4, 0.7 + (0.17 if len(nodes) <= NAMED else 0.07) * len(nodes))))
    times = {n.post_id: when for n, when in zip(nodes, days(_moments(tree, nodes)), strict=True)}
    for node in tree.shares:
        _edge(axes, node, times, rows_of)
    for node in nodes:
        _mark(axes, node, (times[node.post_id], rows_of[node.post_id]), len(nodes) <= NAMED)
    axes.set_ylim(len(rows_of) - 0.2, -0.8)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    first, last = min(times.values()), max(times.values())
    interval = last - first or HALF
    time_axis(axes, first - 0.03 * interval, last + (0.3 if len(nodes) <= NAMED else 0.05) * interval)
    says = f"Post {tree.root.post_id}: {len(tree.shares)} shares on {tree.depth} levels, at most {tree.breadth} on one."
    rows = [[str(i), str(len(level)), str(sum(n.is_deleted for n in level))] for i, level in enumerate(tree.levels)]
    unit = (
        "a dot per post at the time it was shared, below the post it shares, colored by level; a cross: deleted since"
    )
    return Figure("tree", "Share tree", unit, says, fig.inline(canvas, "tree"), ["Level", "Posts", "Deleted"], rows)


def _moments(tree: Tree, nodes: list[Node]) -> list[datetime]:
    """The time of each share. The root gets the time of its first share, because it may be published long before."""
    first = min(node.shared_at for node in tree.shares if node.shared_at)
    return [node.shared_at or first for node in nodes]


def _edge(axes: Axes, node: Node, times: dict[int, float], rows_of: dict[int, int]) -> None:
    assert node.parent
    start, end = ((times[n.post_id], rows_of[n.post_id]) for n in (node.parent, node))
    axes.plot([start[0], start[0], end[0]], [start[1], end[1], end[1]], color=fig.GRID, linewidth=1.3, zorder=1)


def _mark(axes: Axes, node: Node, at: tuple[float, int], named: bool) -> None:
    tint = fig.SERIES[node.level % len(fig.SERIES)]
    size = 8 if not node.level else 5 if named else 4
    shape = "X" if node.is_deleted else "o"
    axes.plot([at[0]], [at[1]], marker=shape, markersize=size, color=fig.MUTED if node.is_deleted else tint, zorder=2)
    if named:
        axes.annotate(str(node.post_id), at, xytext=(6, 0), textcoords="offset points", va="center", fontsize=8)


def _hours_figure(tree: Tree) -> Figure:
    found = tree.by_hour
    svg = charts.hourly_bars("shares", list(found), {h: float(n) for h, n in found.items()}, number)
    says = f"{len(tree.shares)} shares over {len(found)} hours."
    rows = [[hour(h), str(n)] for h, n in found.items()]
    return Figure("shares", "Shares per hour", "shares", says, svg, ["Hour (UTC)", "Shares"], rows)
