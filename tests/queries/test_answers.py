"""Every named query gives the result of two oracles: the simulator's truth, and DuckDB over the landing files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pytest
from pyspark.sql import SparkSession
from support.duckdb_oracle import connect_oracle
from support.facts_oracle import Rows, oracle_rows, truth
from support.local_lake import END, START, Simulated, local_settings
from support.truth import REACH_ERROR

from etl.commands.demo import PUBLIC_LOG
from etl.conf import Settings
from etl.engine.jobs import runner
from etl.queries import run
from etl.sources.open_bandit import import_open_bandit

HOURS = {"start": START, "end": END}
DAYS = {"start": date(2026, 6, 1), "end": date(2026, 6, 2)}
HALF_A_PERCENT = {"floor": Decimal("0.005"), "rise": Decimal("0.003")}
CELEBRITY_POST = 7_000_000_000
PARAMETERS: dict[str, dict[str, Any]] = {
    "creator_analytics": {"creator_id": 500_000, **DAYS},
    "brand_safety_velocity": {"min_impressions": 30, **HALF_A_PERCENT, **HOURS},
    "top_creators": {"limit": 50, **HOURS},
    "feed_signals": {"half_life_hours": 2.0, "limit": 500, **HOURS},
    "comment_thread": {"post_id": CELEBRITY_POST, **HOURS},
}


def answer(spark: SparkSession, settings: Settings, name: str, **params: Any) -> Rows:
    """The rows of a named query, with instants in UTC."""
    rows = [row.asDict() for row in run(spark, settings, name, **params).collect()]
    return [{k: v.astimezone(UTC) if isinstance(v, datetime) else v for k, v in row.items()} for row in rows]


def unlike(found: Rows, wanted: Rows) -> list[str]:
    """Differences between a result and the oracle, in the oracle's columns. Reach may differ by the sketch's error."""
    if len(found) != len(wanted):
        return [f"{len(found)} rows, not {len(wanted)}"]
    pairs = ((i, c, found[i][c], wanted[i][c]) for i in range(len(wanted)) for c in wanted[i])
    return [f"row {i} {c}: {f!r}, not {w!r}" for i, c, f, w in pairs if not _same(c, f, w)]


def _same(column: str, found: Any, wanted: Any) -> bool:
    if "reach" in column:
        return bool(abs(found - wanted) <= REACH_ERROR * wanted)
    if isinstance(wanted, float):
        return found == pytest.approx(wanted, rel=1e-9)
    if isinstance(wanted, datetime):
        return bool(found == wanted.astimezone(UTC))
    return bool(found == wanted)


@pytest.fixture(scope="module", params=["truth", "duckdb"])
def facts(request: pytest.FixtureRequest, simulated: Simulated) -> Iterator[duckdb.DuckDBPyConnection]:
    """The simulated facts: from the simulator's truth, and from the landing files read by DuckDB."""
    with {"truth": truth, "duckdb": connect_oracle}[request.param](simulated.landing) as connection:
        yield connection


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_query_equals_the_oracle(
    spark: SparkSession, simulated: Simulated, facts: duckdb.DuckDBPyConnection, name: str
) -> None:
    """Compare row by row, in the same order. The oracle's result is not empty."""
    wanted = oracle_rows(facts, name, **PARAMETERS[name])
    assert wanted
    assert unlike(answer(spark, simulated.settings, name, **PARAMETERS[name]), wanted) == []


def test_the_curve_of_a_released_model_equals_the_oracle(
    spark: SparkSession, simulated: Simulated, facts: duckdb.DuckDBPyConnection
) -> None:
    """All versions of the release together."""
    params = {"model_semver": "v3.2.0", **DAYS}
    wanted = oracle_rows(facts, "position_curve", **params)
    assert len(wanted) == 4 * 7

    found = answer(spark, simulated.settings, "position_curve", **params)

    assert unlike([_as_floats(row) for row in found], wanted) == []


def test_the_calibration_of_each_model_version_equals_the_oracle(
    spark: SparkSession, simulated: Simulated, facts: duckdb.DuckDBPyConnection
) -> None:
    wanted = oracle_rows(facts, "score_calibration", **DAYS)
    assert len({row["ranker_model_id"] for row in wanted}) > 2

    found = [_as_floats(row) for row in answer(spark, simulated.settings, "score_calibration", **DAYS)]

    assert unlike([row | {"tenths": round(10 * row["score_bucket"])} for row in found], wanted) == []


def _as_floats(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose decimals are floats, as the oracle has them."""
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in row.items()}


def test_a_share_tree_equals_the_oracle(
    spark: SparkSession, simulated: Simulated, facts: duckdb.DuckDBPyConnection
) -> None:
    """The tree of the post with the most reshares."""
    deep = """SELECT a.original_post_id FROM fct_shares a JOIN fct_shares b ON b.original_post_id = a.shared_post_id
              GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"""
    ((post,),) = facts.execute(deep).fetchall()

    found = answer(spark, simulated.settings, "virality", post_id=post, **HOURS)

    assert found[0]["depth"] > 1
    assert unlike(found, oracle_rows(facts, "virality", post_id=post)) == []


def lift_of_facts(viewers: Rows) -> dict[str, Any]:
    """The like rate of each arm, and half the confidence interval of their difference (delta method, numpy)."""
    result: dict[str, Any] = {"crossovers": sum(v["saw_both"] for v in viewers)}
    variance = 0.0
    for arm in ("control", "treatment"):
        shown, liked = (np.array([v[c] for v in viewers if v["arm"] == arm]) for c in ("impressions", "likes"))
        result[f"{arm}_viewers"] = len(shown)
        if len(shown):
            result[arm] = liked.sum() / shown.sum()
            variance += np.var(liked - result[arm] * shown, ddof=1) / shown.mean() ** 2 / len(shown)
    return result | {"half": 1.96 * variance**0.5}


def test_a_lift_equals_the_oracle(spark: SparkSession, simulated: Simulated, facts: duckdb.DuckDBPyConnection) -> None:
    """Rates are equal; the interval equals the one that numpy computes for the same viewers."""
    models = {"control": "v3.1.0", "treatment": "v3.2.0"}

    found = {r["metric"]: r for r in answer(spark, simulated.settings, "ranker_lift", **models, **DAYS)}

    wanted = lift_of_facts(oracle_rows(facts, "ranker_lift", **models))
    likes = found["like_rate"]
    assert likes["control_viewers"] > 100 and likes["treatment_viewers"] > 100
    for column in ("control", "treatment", "control_viewers", "treatment_viewers", "crossovers"):
        assert likes[column] == pytest.approx(wanted[column], rel=1e-9)
    half = (likes["difference_high"] - likes["difference_low"]) / 2
    assert half == pytest.approx(wanted["half"], rel=0.02)


@pytest.fixture(scope="module")
def bandit(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Settings, duckdb.DuckDBPyConnection, datetime, datetime]]:
    """The first hours of the Open Bandit log, as a lake and as an oracle."""
    if not any(PUBLIC_LOG.glob("*.tar.gz")):
        pytest.skip("set-up could not fetch the Open Bandit log")
    settings = local_settings(tmp_path_factory.mktemp("open_bandit"))
    landing = tmp_path_factory.getbasetemp() / settings.landing
    start = import_open_bandit(PUBLIC_LOG, landing).first_hour
    end = start + timedelta(hours=6)
    for folder in landing.glob("*/hour=*"):
        if folder.name >= f"hour={end:%Y-%m-%dT%H}":
            shutil.rmtree(folder)
    assert not runner.run(spark, settings, start, end).errors
    with connect_oracle(landing) as connection:
        yield settings, connection, start, end


@pytest.mark.slow
@pytest.mark.parametrize("name", ["top_creators", "feed_signals", "creator_analytics", "brand_safety_velocity"])
def test_a_query_on_a_public_log_equals_duckdb(
    spark: SparkSession, bandit: tuple[Settings, duckdb.DuckDBPyConnection, datetime, datetime], name: str
) -> None:
    settings, connection, start, end = bandit
    ((creator,),) = connection.execute(
        """SELECT creator_id FROM fct_impressions JOIN dim_posts USING (post_id)
           GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"""
    ).fetchall()
    days = {"start": start.date(), "end": start.date() + timedelta(days=2)}
    ranges = days if name == "creator_analytics" else {"start": start, "end": end}
    params = {**PARAMETERS[name], **ranges} | ({"creator_id": creator} if name == "creator_analytics" else {})

    assert unlike(answer(spark, settings, name, **params), oracle_rows(connection, name, **params)) == []


@pytest.mark.slow
def test_a_log_that_was_not_split_by_viewer_gets_no_verdict(
    spark: SparkSession, bandit: tuple[Settings, duckdb.DuckDBPyConnection, datetime, datetime]
) -> None:
    """Open Bandit chose a policy per impression, so viewers saw both policies, and the reason says so."""
    settings, connection, start, _end = bandit
    models = {"control": "random", "treatment": "bts"}
    days = {"start": start.date(), "end": start.date() + timedelta(days=2)}

    found = answer(spark, settings, "ranker_lift", **models, **days)[0]

    wanted = lift_of_facts(oracle_rows(connection, "ranker_lift", **models))
    assert {k: found[k] for k in ("control_viewers", "treatment_viewers", "crossovers")} == {
        k: wanted[k] for k in ("control_viewers", "treatment_viewers", "crossovers")
    }
    assert found["verdict"] == "not enough data" and "saw both" in found["reason"]
