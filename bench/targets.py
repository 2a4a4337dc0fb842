"""`python -m bench.targets`: ratios of feed-etl runs to each other, and to the lower bound for Spark."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import measure, picture
from bench.generate import Shape, as_text, generate
from bench.measure import Measured

OURS, SMALL, LOWER_BOUND, DAYS, LOOKUP = "bench.ours", "bench.small", "bench.lower_bound", "bench.days", "bench.lookup"
console = Console()


def timed(folder: Path, shape: Shape, module: str = OURS, keep_lake: bool = False, text: bool = False) -> Measured:
    """Run an hour of a shape, into an empty lake unless the lake is kept."""
    landing, lake = folder / shape.name / "landing", folder / shape.name / "lakes" / "target"
    generate(landing, shape)
    if text:
        as_text(landing, folder / shape.name / "landing-text")
        landing = folder / shape.name / "landing-text"
    if not keep_lake:
        shutil.rmtree(lake, ignore_errors=True)
    found = measure.run(module, str(landing), str(lake))
    console.print(f"{module} {shape.name}{' as text' if text else ''}: {found.seconds:.1f} s")
    return found


def gate_share(run: Measured) -> float:
    """Seconds in gates divided by all seconds of all tables."""
    by_table = [picture.phases(table) for table in run.tables.values()]
    return sum(t["gate_seconds"] for t in by_table) / sum(sum(t.values()) for t in by_table)


def figures(folder: Path, impressions: int) -> dict[str, float]:
    """Every ratio by its description."""
    even, hot, text = Shape(impressions, 0.0, 0.0), Shape(impressions, 0.3, 0.3), Shape(impressions // 4, 0.0, 0.0)
    first = timed(folder, even)
    again = timed(folder, even, keep_lake=True)
    days = timed(folder, even, DAYS, keep_lake=True).tables
    looked = timed(folder, even, LOOKUP, keep_lake=True).tables
    lower_bound = timed(folder, even, LOWER_BOUND)
    skewed = timed(folder, hot)
    sixteenth = timed(folder, Shape(impressions // 16, 0.0, 0.0))
    lines, columns = timed(folder, text, text=True), timed(folder, text)
    small = timed(folder, Shape(100), SMALL).tables
    return {
        "ours ÷ scan, shuffle and write of the same records": first.seconds / lower_bound.seconds,
        "gates ÷ all seconds of all tables": gate_share(first),
        "30 % from one viewer and on one post ÷ uniform": skewed.seconds / first.seconds,
        "largest task of the facts ÷ mean, at that skew": skewed.tables["fct_impressions"]["skew"],
        "a day mart from hours ÷ from facts": days["from hours"] / days["from facts"],
        "a finished hour run again ÷ first run": again.seconds / first.seconds,
        "time ÷ sixteen times the time of a sixteenth": first.seconds / (16 * sixteenth.seconds),
        "a quarter of it landed as JSON Lines ÷ as Parquet": lines.seconds / columns.seconds,
        "look-up of one viewer: bytes ÷ the hour's": looked["bytes"] / looked["of"],
        "an almost empty hour ÷ a minimal Delta table, cold": small["cold"] / small["minimal cold"],
        "an almost empty hour ÷ a minimal Delta table, warm": small["warm"] / small["minimal warm"],
    }


def main() -> None:
    """Measure, print and write all ratios."""
    parser = argparse.ArgumentParser(prog="python -m bench.targets", description=__doc__)
    parser.add_argument("--impressions", type=int, default=4_000_000, help="impressions in the hour")
    parser.add_argument("--folder", type=Path, default=Path("bench-data"), help="folder for input and lakes")
    parser.add_argument("--out", type=Path, default=Path("bench-data/targets.json"), help="JSON file for the results")
    given = parser.parse_args()
    found = figures(given.folder, given.impressions)
    grid = Table("what", "ratio")
    for name, ratio in found.items():
        grid.add_row(name, f"{ratio:.2f}")
    console.print(grid)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({"impressions": given.impressions, "ratios": found}, indent=2))


if __name__ == "__main__":
    main()
