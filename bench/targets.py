"""`python -m bench.targets`: ours beside itself, as ratios in one run: skew, scale, again, a look-up, a small hour."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
from deltalake import DeltaTable
from rich.console import Console
from rich.table import Table

from bench import measure
from bench.generate import Shape, generate
from bench.measure import Measured

OURS, SMALL = "bench.ours", "bench.small"
SOMEBODY = 4711  # a viewer of the long tail
console = Console()


def ours(folder: Path, shape: Shape, keep_lake: bool = False, module: str = OURS) -> Measured:
    """One run over an hour of a shape, into an empty lake unless it is to be kept."""
    landing, lake = folder / shape.name / "landing", folder / shape.name / "lakes" / "target"
    generate(landing, shape)
    if not keep_lake:
        shutil.rmtree(lake, ignore_errors=True)
    found = measure.run(module, str(landing), str(lake))
    console.print(f"{module} {shape.name}: {found.seconds:.1f} s")
    return found


def looked_up(lake: Path) -> float:
    """Bytes of the row groups that may hold one viewer's impressions, over all bytes."""
    table = DeltaTable(str(lake / "facts" / "fct_impressions"))
    wanted = total = 0
    for file in table.file_uris():
        footer = pq.ParquetFile(file).metadata
        column = footer.schema.to_arrow_schema().get_field_index("viewer_id")
        for number in range(footer.num_row_groups):
            group = footer.row_group(number)
            told = group.column(column).statistics
            total += group.total_byte_size
            wanted += group.total_byte_size if told.min <= SOMEBODY <= told.max else 0
    return wanted / total


def figures(folder: Path, impressions: int) -> dict[str, float]:
    """Every ratio, by what it says."""
    even, hot = Shape(impressions, 0.0, 0.0), Shape(impressions, 0.3, 0.3)
    first = ours(folder, even)
    again = ours(folder, even, keep_lake=True)
    skewed = ours(folder, hot)
    sixteenth = ours(folder, Shape(impressions // 16, 0.0, 0.0))
    small = ours(folder, Shape(100), module=SMALL).tables
    return {
        "30 % from one viewer and on one post ÷ uniform": skewed.seconds / first.seconds,
        "largest task of the facts ÷ mean, at that skew": skewed.tables["fct_impressions"]["skew"],
        "a finished hour run again ÷ first run": again.seconds / first.seconds,
        "time ÷ sixteen times the time of a sixteenth": first.seconds / (16 * sixteenth.seconds),
        "look-up of one viewer: bytes ÷ the hour's": looked_up(folder / even.name / "lakes" / "target"),
        "an almost empty hour ÷ a minimal Delta table, cold": small["cold"] / small["minimal cold"],
        "an almost empty hour ÷ a minimal Delta table, warm": small["warm"] / small["minimal warm"],
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.targets", description=__doc__)
    parser.add_argument("--impressions", type=int, default=4_000_000, help="impressions in the hour")
    parser.add_argument("--folder", type=Path, default=Path("bench-data"), help="where input and lakes are kept")
    parser.add_argument("--out", type=Path, default=Path("bench-data/targets.json"), help="figures as JSON")
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
