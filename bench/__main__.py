"""`python -m bench`: run feed-etl and its peers in turns on one generated hour, compare results, print median times."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import compare, measure, picture
from bench.generate import Shape, generate
from bench.measure import Measured

OURS = "bench.ours"
CONTENDERS = {"ours": OURS, "plain PySpark": "bench.plain_pyspark", "DuckDB": "bench.duckdb_parquet",
              "Polars": "bench.polars_delta"}  # fmt: skip
console = Console()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--impressions", type=int, default=4_000_000, help="impressions in the hour")
    parser.add_argument("--rounds", type=int, default=3, help="number of runs per contender")
    parser.add_argument("--folder", type=Path, default=Path("bench-data"), help="folder for input and lakes")
    parser.add_argument("--out", type=Path, default=Path("bench-data/results.json"), help="JSON file for the results")
    parser.add_argument("--memory", default="", help="memory of feed-etl's driver and of DuckDB, e.g. 1g")
    parser.add_argument("--only", choices=list(CONTENDERS), nargs="*", default=list(CONTENDERS), help="contenders")
    return parser.parse_args()


def _round(folder: Path, landing: Path, names: list[str], memory: str) -> dict[str, Measured]:
    """Run each contender once, into an empty lake."""
    found = {}
    for name in names:
        lake = folder / "lakes" / name.replace(" ", "-")
        shutil.rmtree(lake, ignore_errors=True)
        given = [memory.upper() + "B"] if memory and name == "DuckDB" else []
        found[name] = measure.run(CONTENDERS[name], str(landing), str(lake), *given)
        console.print(f"{name}: {found[name].seconds:.1f} s")
    return found


def _check(folder: Path, names: list[str]) -> None:
    lakes = {name: folder / "lakes" / name.replace(" ", "-") for name in names}
    for name in names[1:]:
        unlike = compare.differences(lakes[names[0]], lakes[name])
        if unlike:
            raise SystemExit(f"{names[0]} and {name} differ: " + "; ".join(unlike))
    console.print(f"Equal, row by row: {', '.join(names)}")


def _print(rounds: list[dict[str, Measured]]) -> None:
    first = next(iter(rounds[0]))
    base = statistics.median(r[first].seconds for r in rounds)
    grid = Table("contender", "median s", f"{first} ÷ it", "peak GB", "read GB", "written GB", "session s")
    for name in rounds[0]:
        runs = [r[name] for r in rounds]
        seconds = statistics.median(run.seconds for run in runs)
        sizes = (max(r.peak_bytes for r in runs), runs[-1].read_bytes, runs[-1].written_bytes)
        session = statistics.median(run.session for run in runs)
        figures = [f"{seconds:.1f}", f"{base / seconds:.2f}", *[f"{s / 1e9:.2f}" for s in sizes], f"{session:.1f}"]
        grid.add_row(name, *figures)
    console.print(grid)


def _print_phases(tables: dict[str, dict[str, float]]) -> None:
    """Print the seconds of our tables by phase. They overlap, because tables are built in parallel."""
    grid = Table("table", "seconds", *picture.PHASES.values(), "share of the gate")
    by_table = {name: picture.phases(table) for name, table in tables.items()}
    total = {phase: sum(t[phase] for t in by_table.values()) for phase in picture.PHASES}
    for name, found in {**by_table, "all": total}.items():
        seconds = sum(found.values())
        share = found["gate_seconds"] / seconds if seconds else 0.0
        grid.add_row(name, f"{seconds:.1f}", *[f"{s:.1f}" for s in found.values()], f"{share:.0%}")
    console.print(grid)


def main() -> None:
    """Generate the input, run all contenders in turns, compare their results, and report."""
    given = _arguments()
    shape = Shape(given.impressions)
    folder = given.folder / shape.name
    generate(folder / "landing", shape)
    if given.memory:
        os.environ["FEED_ETL_DRIVER_MEMORY"] = given.memory
    rounds = [_round(folder, folder / "landing", given.only, given.memory) for _ in range(given.rounds)]
    _check(folder, given.only)
    _print(rounds)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    document = {"shape": asdict(shape), "rounds": [{n: asdict(m) for n, m in r.items()} for r in rounds]}
    given.out.write_text(json.dumps(document, indent=2))
    if "ours" in given.only:
        _print_phases(rounds[-1]["ours"].tables)
        picture.draw(rounds, "ours", given.out.with_suffix(".svg"))
    console.print(f"Figures: {given.out} and {given.out.with_suffix('.svg')}")


if __name__ == "__main__":
    main()
