"""A picture of the house: tables in columns by layer, an arrow for every table read."""

from __future__ import annotations

from dataclasses import dataclass

from etl import catalog
from etl.contract import Layer, Table

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 214, 30, 76, 14, 24
SWEEPS = 8  # of the barycentre method; it settles well before
LANDING = "landing"


@dataclass(frozen=True)
class Box:
    """A table or a landed event, and its top left corner in px."""

    name: str
    layer: str
    x: int
    y: int

    @property
    def left(self) -> tuple[int, int]:
        return self.x, self.y + HEIGHT // 2

    @property
    def right(self) -> tuple[int, int]:
        return self.x + WIDTH, self.y + HEIGHT // 2


@dataclass(frozen=True)
class Picture:
    """Boxes and the arrows between them, and the size of it all in px."""

    boxes: list[Box]
    arrows: list[str]
    heads: list[tuple[str, int]]
    width: int
    height: int


def reads(table: Table) -> list[str]:
    """What a table is made from: tables, or the event it is landed as."""
    return [i.table.name for i in table.inputs] or ([f"landing.{table.event.name}"] if table.event else [])


def picture() -> Picture:
    """The house, layer by layer, ordered so that few arrows cross."""
    columns = _ordered(_columns())
    tallest = max(map(len, columns.values())) * (HEIGHT + GAP_Y)
    boxes = [
        Box(name, layer, MARGIN + i * (WIDTH + GAP_X), 48 + (tallest - len(names) * (HEIGHT + GAP_Y)) // 2 + j * 44)
        for i, (layer, names) in enumerate(columns.items())
        for j, name in enumerate(names)
    ]
    at = {box.name: box for box in boxes}
    arrows = [_arrow(at[source], at[t.name]) for t in catalog.tables() for source in reads(t)]
    heads = [(layer, MARGIN + i * (WIDTH + GAP_X)) for i, layer in enumerate(columns)]
    return Picture(boxes, arrows, heads, 2 * MARGIN + len(columns) * (WIDTH + GAP_X) - GAP_X, tallest + 64)


def _columns() -> dict[str, list[str]]:
    events = [name for t in catalog.tables() if t.event for name in reads(t)]
    tables = {layer.name.lower(): [t.name for t in catalog.tables() if t.layer is layer] for layer in Layer}
    return {LANDING: events, **tables}


def _ordered(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """Each column sorted by the mean height of what its boxes are joined to, back and forth until it settles."""
    joined: dict[str, list[str]] = {}
    for table in catalog.tables():
        for source in reads(table):
            joined.setdefault(table.name, []).append(source)
            joined.setdefault(source, []).append(table.name)
    order = list(columns)
    for sweep in range(SWEEPS):
        for layer in order if sweep % 2 == 0 else order[::-1]:
            height = {n: (i + 0.5) / len(names) for names in columns.values() for i, n in enumerate(names)}
            columns[layer] = sorted(columns[layer], key=lambda n: (_mean(height, joined.get(n, [n])), n))
    return columns


def _mean(height: dict[str, float], names: list[str]) -> float:
    return sum(height[name] for name in names) / len(names)


def _arrow(source: Box, target: Box) -> str:
    """An SVG path that leaves to the right and arrives from the left; within a layer it bows out."""
    (x1, y1), (x2, y2) = source.right, target.left
    bend = max(40, (x2 - x1) // 2)
    return f"M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}"
