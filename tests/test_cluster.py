"""A job on separate executors, in their own processes, gives the same rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command_line import feed_etl

TABLES = [
    "bronze_ranker_models",
    "dim_ranker_models",
    "bronze_impressions",
    "fct_impressions",
    "fct_dwell_per_impression",
]
COUNT = (
    "SELECT count(*) AS n, count(DISTINCT impression_id) AS ids, sum(dwell_ms) AS dwell "
    "FROM fct_impressions LEFT JOIN fct_dwell_per_impression USING (impression_id)"
)


def output(*arguments: str) -> str:
    """Standard output of a command that succeeds."""
    done = feed_etl(*arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_local_cluster_runs_unchanged_and_equals_the_truth(landed: Path, tmp_path: Path) -> None:
    """A local cluster of two executors with one core and 1 GiB each."""
    options = [
        "--master",
        "local-cluster[2,1,1024]",
        "--landing",
        str(landed),
        "--lake",
        str(tmp_path / "lake"),
    ]
    chosen = [word for name in TABLES for word in ("--table", name)]
    output(*options, "run", "--from", "2026-06-01T08", "--to", "2026-06-01T11", *chosen)
    (found,) = json.loads(output(*options, "sql", COUNT, "--format", "json"))
    truth = [json.loads(line) for line in (landed / "_truth" / "fct_impressions.jsonl").open()]
    dwell = {
        r["impression_id"]: r["dwell_ms"]
        for r in map(json.loads, (landed / "_truth" / "fct_dwell_per_impression.jsonl").open())
    }
    assert found["n"] == found["ids"] == len(truth)
    assert found["dwell"] == sum(dwell.get(r["impression_id"], 0) for r in truth)
