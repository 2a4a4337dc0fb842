"""Matplotlib figures as inline SVG with the fonts of the page, and with its colors in light and dark mode.

Matplotlib draws placeholder colors, which `inline` replaces by CSS variables. It also makes ids unique on the page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

INK, MUTED, GRID, BAND = "#010101", "#010102", "#010103", "#010104"
GOOD, ALARM, CARD = "#010105", "#010106", "#010107"
SERIES = ("#010111", "#010112", "#010113", "#010114", "#010115", "#010116")
VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", BAND: "band", GOOD: "good", ALARM: "alarm", CARD: "card"} | {
    color: f"s{i}" for i, color in enumerate(SERIES, 1)
}
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "feed-etl",
    "text.parse_math": False,
    "font.size": 10,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "xtick.major.pad": 7,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.constrained_layout.use": True,
}
styled = matplotlib.rc_context(STYLE)
"""Decorator for a function that draws. Matplotlib styles an element when it creates it."""
WIDTH, HEIGHT = 5.0, 2.4  # inches: 360 points, so that a phone shows text at its own size


@dataclass(frozen=True)
class Figure:
    """A chart, what it shows in one sentence (`says`, for screen readers), and its numbers as a table.

    `name` is unique on the page. A tall figure takes two rows of the page's grid.
    """

    name: str
    title: str
    unit: str
    says: str
    svg: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_tall: bool = False


def canvas(height: float = HEIGHT, panels: int = 1) -> tuple[Canvas, list[Axes]]:
    """An empty figure with panels one below the other. Call it inside a `styled` function. `height` is in inches."""
    figure = Canvas(figsize=(WIDTH, height))
    return figure, list(figure.subplots(panels, 1, squeeze=False)[:, 0])


def inline(figure: Canvas, name: str) -> str:
    """The figure as an `<svg>` element for a page; `name` prefixes its ids."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(
        r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true" focusable="false">', text
    )
    text = re.sub(r"\n\s*", "\n", text).replace("xlink:href", "href")
    return re.sub("|".join(VARIABLES), lambda found: f"var(--{VARIABLES[found[0]]})", text)
