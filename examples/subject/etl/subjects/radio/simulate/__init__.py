"""Simulated plays: a few stations, some popular, and people who listen to them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from etl.sources.landing_writer import hour_folder, write_landing_file
from etl.sources.stamps import to_us

STATIONS, PEOPLE = 5, 40
HOUR = timedelta(hours=1)


def simulate(out: Path, start: datetime, end: datetime, impressions_per_hour: int, seed: int) -> int:
    """Write landing files for the hours [start, end), `impressions_per_hour` plays each; returns the number of plays.

    The same arguments write the same bytes.
    """
    rng, count = Random(seed), 0
    changes = [{"station_id": n, "station_name": f"Station {n}", "effective_ts": to_us(start), "op": "upsert"}
               for n in range(1, STATIONS + 1)]  # fmt: skip
    write_landing_file(hour_folder(out, "stations", to_us(start)) / "a.jsonl", "stations", changes)
    while start < end:
        plays = [_play(rng, count + n, to_us(start)) for n in range(impressions_per_hour)]
        write_landing_file(hour_folder(out, "plays", to_us(start)) / "a.jsonl", "plays", plays)
        count, start = count + len(plays), start + HOUR
    return count


def _play(rng: Random, number: int, hour_us: int) -> dict[str, int]:
    station = min(rng.randint(1, STATIONS), rng.randint(1, STATIONS))  # low numbers are more popular
    return {
        "play_id": hour_us + number, "user_id": rng.randint(1, PEOPLE), "station_id": station,
        "seconds": rng.randint(1, 3600), "play_ts": hour_us + rng.randrange(3_600_000_000),
    }  # fmt: skip
