"""Layout of the lineage picture: one column of tables per layer, an arrow for every table that is read.

The layout follows Sugiyama. An arrow that skips layers gets a node in each skipped layer, so it passes between the
boxes. Then each column is sorted by the mean height of its neighbors, repeatedly, so that few arrows cross.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from etl import catalog
from etl.model.contract import Layer, Table

WIDTH, HEIGHT = 214, 30
ACROSS, BOX, PASS = WIDTH + 84, HEIGHT + 14, 18  # px: between columns, height of a box, height of a passing arrow
LEFT, TOP = 24, 48
SWEEPS = 12  # the layout is stable after fewer sweeps
LANDING = "landing"
Columns = list[list[str]]


@dataclass(frozen=True)
class Node:
    """Position of a box, or of a passing arrow (its name has a layer number after `@`): left edge and middle, px."""

    name: str
    layer: str
    x: int
    y: int


@dataclass(frozen=True)
class Arrow:
    """An arrow from the box of a table to one that reads it, with its SVG path."""

    source: str
    target: str
    path: str


@dataclass(frozen=True)
class Picture:
    """Boxes, arrows, column headings, and the size of the picture, px."""

    boxes: list[Node]
    arrows: list[Arrow]
    heads: list[tuple[str, int]]
    width: int
    height: int


def reads(table: Table) -> list[str]:
    """The inputs of a table: tables, or the landed event."""
    return [i.table.name for i in table.inputs] or ([f"{LANDING}.{table.event.name}"] if table.event else [])


def picture() -> Picture:
    """The picture of all tables, layer by layer."""
    layers = [LANDING, *[layer.name.lower() for layer in Layer]]
    routes = list(_routes(layers))
    columns = _sorted(_columns(layers, routes), routes)
    height = max(map(_height, columns))
    positions = {node.name: node for i, column in enumerate(columns) for node in _nodes(column, layers[i], i, height)}
    return Picture(
        [node for node in positions.values() if "@" not in node.name],
        [Arrow(route[0], route[-1], _path([positions[name] for name in route])) for route in routes],
        [(layer, LEFT + i * ACROSS) for i, layer in enumerate(layers)],
        2 * LEFT + len(layers) * ACROSS - (ACROSS - WIDTH),
        TOP + height,
    )


def _routes(layers: list[str]) -> Iterator[list[str]]:
    """Each arrow as the names of the nodes on its path. Arrows from one table share their passing nodes."""
    for table in catalog.tables():
        for source in reads(table):
            first = 0 if source.startswith(LANDING) else int(catalog.entry(source).table.layer)
            yield [source, *[f"{source}@{i}" for i in range(first + 1, int(table.layer))], table.name]


def _columns(layers: list[str], routes: list[list[str]]) -> Columns:
    found: Columns = [[t.name for t in catalog.tables() if t.layer == i] for i in range(len(layers))]
    found[0] = [f"{LANDING}.{t.event.name}" for t in catalog.tables() if t.event]
    for name in dict.fromkeys(name for route in routes for name in route if "@" in name):
        found[int(name.rpartition("@")[2])].append(name)
    return found


def _sorted(columns: Columns, routes: list[list[str]]) -> Columns:
    neighbors: dict[str, list[str]] = {}
    for route in routes:
        for one, other in pairwise(route):
            neighbors.setdefault(one, []).append(other)
            neighbors.setdefault(other, []).append(one)
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            height = {n: (i + 0.5) / len(names) for names in columns for i, n in enumerate(names)}
            column.sort(key=lambda n: (_mean([height[m] for m in neighbors.get(n, [n])]), n))
    return columns


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


def _space(name: str) -> int:
    return PASS if "@" in name else BOX


def _height(column: list[str]) -> int:
    return sum(map(_space, column))


def _nodes(column: list[str], layer: str, number: int, height: int) -> Iterator[Node]:
    y = TOP + (height - _height(column)) // 2
    for name in column:
        yield Node(name, layer, LEFT + number * ACROSS, y + _space(name) // 2)
        y += _space(name)


def _path(nodes: list[Node]) -> str:
    """The SVG path of an arrow: from the right edge of each node to the left edge of the next."""
    path = f"M{nodes[0].x + WIDTH},{nodes[0].y}"
    for one, other in pairwise(nodes):
        middle = (one.x + WIDTH + other.x) // 2
        path += f" C{middle},{one.y} {middle},{other.y} {other.x},{other.y}"
        path += f" H{other.x + WIDTH}" if "@" in other.name else ""
    return path
