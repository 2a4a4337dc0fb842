"""Runs a scenario. For each hour it sends all records that happen and writes all records that landed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from etl.sources.scenario_note import TRUTH_FOLDER, claim
from etl.subjects.feed.simulate.change_log import send_changes
from etl.subjects.feed.simulate.delivery import Outbox
from etl.subjects.feed.simulate.reactions import send_reactions
from etl.subjects.feed.simulate.scenario import Scenario
from etl.subjects.feed.simulate.serving import early_hours, serve
from etl.subjects.feed.simulate.sharing import send_shares
from etl.subjects.feed.simulate.truth import Truth
from etl.subjects.feed.simulate.truth_files import write_truth
from etl.subjects.feed.simulate.watching import send_beats
from etl.subjects.feed.simulate.world import World


@dataclass(frozen=True)
class TruthSummary:
    """What the simulator wrote, by event."""

    folder: Path
    """The folder of the truth, `<out>/_truth`, with one `<table>.jsonl` per table."""
    records: Mapping[str, int]
    """The number of records in the landing files, including duplicates and bad records."""
    accepted: Mapping[str, int]
    """The number of records that a pipeline must accept, including duplicates."""
    quarantined: Mapping[str, int]
    """The number of records that a pipeline must quarantine."""


def simulate(
    out: Path, start: datetime, end: datetime, impressions_per_hour: int, seed: int, **parameters: Any
) -> TruthSummary:
    """Write the landing files of a simulated feed for landed hours [start, end), and the truth under `out/_truth`.

    `parameters` are further fields of Scenario. Equal arguments write equal bytes.
    Raises ConfigError for an invalid scenario, and LandingError when `out` has files of another scenario.
    """
    return simulate_scenario(out, Scenario(start, end, impressions_per_hour, seed, **parameters))


def simulate_scenario(out: Path, scenario: Scenario) -> TruthSummary:
    """Like `simulate`, with a Scenario as argument."""
    claim(out, scenario, "scenario.json")
    truth = Truth()
    world, outbox = World(scenario), Outbox(out, scenario, truth)
    for hour in range(scenario.hours):
        _send_hour(world, outbox, hour)
        if hour:
            outbox.flush(hour - 1)
    outbox.flush(scenario.hours - 1)
    write_truth(out / TRUTH_FOLDER, truth)
    return _summary(out, truth)


def _send_hour(world: World, outbox: Outbox, hour: int) -> None:
    scenario, rng = world.scenario, np.random.default_rng([world.scenario.seed, 0xF33D, hour])
    served = serve(world, hour, rng)
    send_changes(world, outbox, hour)
    outbox.send("impressions", served.rows, served.times_us, early_hours(scenario, hour, served.times_us, rng))
    send_beats(outbox, scenario, served, rng)
    send_reactions(world, outbox, served, hour, rng)
    send_shares(world, outbox, served, hour, rng)


def _summary(out: Path, truth: Truth) -> TruthSummary:
    accepted: Counter[str] = Counter()
    quarantined: Counter[str] = Counter()
    for (event, _landed), counts in truth.landing.items():
        accepted[event] += counts["accepted"]
        quarantined[event] += counts["quarantined"]
    return TruthSummary(out / TRUTH_FOLDER, dict(accepted + quarantined), dict(accepted), dict(quarantined))
