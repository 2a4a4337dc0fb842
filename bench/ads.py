"""`python -m bench.ads`: raw ad clicks with duplicates: feed-etl against plain PySpark, a hot ad against none."""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import compare, measure
from bench.ads_generate import Shape, generate
from bench.measure import Measured

OURS, PLAIN = "bench.ours", "bench.ads_plain"
TABLES = [
    *("bronze_ad_clicks", "bronze_page_events", "bronze_ads", "bronze_campaigns", "bronze_advertisers"),
    *("dim_ads", "dim_campaigns", "dim_advertisers"),
    *("stg_ad_clicks", "stg_page_events", "fct_ad_clicks", "agg_ad_clicks_5min", "agg_ad_clicks"),
]
COMPARED = {
    "stg_ad_clicks": "ad_id, user_id, session_id, epoch_us(click_ts)",
    "fct_ad_clicks": "click_id, ad_id, user_id, session_id, epoch_us(click_ts), creative_id, campaign_id, "
    "advertiser_id, device, region, is_valid, local_day",
    "agg_ad_clicks_5min": "ad_id, epoch_us(window_start), ad_clicks",
    "agg_ad_clicks": "ad_id, day, ad_clicks, users, sessions",
}
console = Console()


def once(folder: Path, shape: Shape, module: str) -> Measured:
    """Run a module once, into an empty lake."""
    landing, lake = folder / shape.name / "landing", folder / shape.name / "lakes" / module
    generate(landing, shape)
    shutil.rmtree(lake, ignore_errors=True)
    found = measure.run(module, str(landing), str(lake), *(TABLES if module == OURS else []))
    console.print(f"{module} {shape.name}: {found.seconds:.1f} s")
    return found


def main() -> None:
    """Generate the input, run in turns, compare the results, and report."""
    parser = argparse.ArgumentParser(prog="python -m bench.ads", description=__doc__)
    parser.add_argument("--clicks", type=int, default=10_000_000, help="raw clicks in the hour, duplicates included")
    parser.add_argument("--rounds", type=int, default=3, help="number of runs of each")
    parser.add_argument("--folder", type=Path, default=Path("bench-data"), help="folder for input and lakes")
    parser.add_argument("--out", type=Path, default=Path("bench-data/ads.json"), help="JSON file for the results")
    given = parser.parse_args()
    hot, even = Shape(given.clicks), Shape(given.clicks, hot_ad=0.0)
    rounds = [
        {"ours": once(given.folder, hot, OURS), "plain": once(given.folder, hot, PLAIN),
         "uniform": once(given.folder, even, OURS)}
        for _ in range(given.rounds)
    ]  # fmt: skip
    lakes = given.folder / hot.name / "lakes"
    if unlike := compare.differences(lakes / OURS, lakes / PLAIN, COMPARED):
        raise SystemExit("Ours and plain PySpark differ: " + "; ".join(unlike))
    console.print("Equal, row by row: ours, plain PySpark")
    seconds = {name: statistics.median(r[name].seconds for r in rounds) for name in rounds[0]}
    grid = Table("what", "ratio")
    grid.add_row("ours ÷ plain PySpark", f"{seconds['ours'] / seconds['plain']:.2f}")
    grid.add_row("one ad with 20 % ÷ uniform", f"{seconds['ours'] / seconds['uniform']:.2f}")
    console.print(seconds, grid)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps([{n: asdict(m) for n, m in r.items()} for r in rounds], indent=2))


if __name__ == "__main__":
    main()
