"""Runs a scenario: creates traffic and invoices, delivers them, and writes landing files and the truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from random import Random

from etl.sources.landing_writer import Row, hour_folder, write_landing_file
from etl.sources.scenario_note import TRUTH_FOLDER, claim
from etl.sources.stamps import HOUR_US
from etl.subjects.ads.simulate import truth_marts
from etl.subjects.ads.simulate.billing import bills
from etl.subjects.ads.simulate.scenario import AdsScenario
from etl.subjects.ads.simulate.traffic import Generator, happened, repeated
from etl.subjects.ads.simulate.truth import Truth
from etl.subjects.ads.simulate.world import changes

_FORMATS = {
    "ad_impressions": "jsonl.gz", "ad_clicks": "parquet", "page_events": "jsonl.zst", "conversions": "jsonl",
    "ads": "jsonl", "campaigns": "jsonl.gz", "advertisers": "parquet", "spend_ledger": "jsonl",
}  # fmt: skip
_LATE_HOURS = (1, 1, 1, 2, 5, 26)

Waiting = dict[tuple[str, int], list[Row]]
"""(event, index of the landed hour) -> records."""


def simulate(out: Path, start: datetime, end: datetime, impressions_per_hour: int, seed: int) -> dict[str, int]:
    """Like `simulate_ads`, with default values for all other parameters of the scenario."""
    return simulate_ads(out, AdsScenario(start, end, impressions_per_hour, seed))


def simulate_ads(out: Path, scenario: AdsScenario) -> dict[str, int]:
    """Write the landing files of a scenario, and the truth under `out/_truth`. Returns the number of records by event.

    Equal scenarios write equal bytes. Raises LandingError when `out` has files of another scenario.
    """
    claim(out, scenario, "ads_scenario.json")
    waiting, truth = _deliver(scenario)
    last = scenario.hours - 1
    for bill in bills(truth):
        waiting["spend_ledger", last].append(bill)
        truth.bills.append(bill)
    for (event, hour), rows in sorted(waiting.items()):
        folder = hour_folder(out, event, scenario.start_us + hour * HOUR_US)
        write_landing_file(folder / f"{event}.{_FORMATS[event]}", event, rows)
    truth_marts.write(out / TRUTH_FOLDER, truth)
    return dict(sum((Counter({event: len(rows)}) for (event, _), rows in waiting.items()), Counter()))


def _deliver(scenario: AdsScenario) -> tuple[Waiting, Truth]:
    """All records by the hour they land in, and the truth of the records that land before the end."""
    waiting: Waiting = defaultdict(list)
    truth, rng, make = Truth(), Random(scenario.seed + 1), Generator(scenario)
    for event, row, hour in changes(scenario):
        waiting[event, hour] += [row] * (2 if rng.random() < scenario.repeat_share else 1)
        truth.change(event, row)
    for busy in scenario.busy_hours:
        for event, rows in make.hour(busy).records.items():
            for row in rows:
                late = event != "conversions" and rng.random() < scenario.late_share
                hour = scenario.index(happened(event, row)) + (rng.choice(_LATE_HOURS) if late else 0)
                if hour < scenario.hours:
                    waiting[event, hour].append(row)
                    truth.accept(event, row)
    for key in sorted(waiting):
        waiting[key] += list(repeated(rng, scenario.repeat_share, waiting[key]))
        rng.shuffle(waiting[key])
    return waiting, truth
