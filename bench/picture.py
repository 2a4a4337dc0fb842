"""Draws the results of a benchmark: seconds by contender, and the phases of feed-etl's tables."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt

PHASES = {
    "stage_seconds": "read, transform, write",
    "gate_seconds": "gate",
    "publish_seconds": "publish",
    "other": "the rest: counting, planning, ledger",
}


def phases(table: dict[str, float]) -> dict[str, float]:
    """Seconds of one table by phase. Delta merges dimensions, so these have only gate and rest."""
    known = {name: table.get(name, 0.0) for name in PHASES if name != "other"}
    return known | {"other": max(0.0, table["seconds"] - sum(known.values()))}


def draw(rounds: list[dict[str, Any]], ours: str, to: Path) -> None:
    """Write an SVG. Tables of a run overlap, so their seconds add up to more than the seconds of the run."""
    figure, (above, below) = plt.subplots(2, figsize=(9, 9), height_ratios=(1, 3), layout="constrained")
    names = list(rounds[0])
    seconds = [median(r[n].seconds for r in rounds) for n in names]
    above.bar_label(above.barh(names, seconds, color="0.5"), fmt="%.1f s", padding=3)
    above.invert_yaxis()
    above.set_xlabel("seconds, median")
    tables = rounds[-1][ours].tables
    left = [0.0] * len(tables)
    for phase, label in PHASES.items():
        widths = [phases(t)[phase] for t in tables.values()]
        below.barh(list(tables), widths, left=left, label=label)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    below.invert_yaxis()
    below.set_xlabel(f"seconds of each table, {ours}; tables built in parallel overlap")
    below.legend(loc="lower right")
    figure.savefig(to)
    plt.close(figure)
