"""Post-processing of ranker_lift. Spark computes moments over viewers and collects no viewer; `lift` judges them."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from tea_tasting.aggr import Aggregates

from etl.errors import LakeError
from etl.subjects.feed.queries.lift import METRICS, Lift, judge, ratio
from etl.subjects.feed.queries.lift_stages import Stage, Trial

_LIFT = "metric STRING, " + ", ".join(f"{field.name} DOUBLE" for field in fields(Lift) if field.name != "metric")
_TRIAL = (
    "verdict STRING, reason STRING, control_viewers BIGINT, treatment_viewers BIGINT, crossovers BIGINT, "
    "sample_ratio_p DOUBLE, cuped BOOLEAN, days BIGINT, days_left_out BIGINT"
)
_STAGE = ("control_pct", "treatment_pct")
_GROUP = ("kind", "is_treatment", *_STAGE, "position_bucket")


def finish(rows: DataFrame, given: dict[str, Any]) -> DataFrame:
    """Viewers with their stage and sums, positions and days -> one row per metric.

    Raises LakeError when the two models were never live at the same time.
    """
    trial = _trial(rows, given)
    judged = judge(trial)
    summary = (
        judged.verdict, judged.reason, *trial.viewers, trial.crossovers, judged.sample_ratio_p, trial.cuped, trial.days,
        trial.days_left_out,
    )  # fmt: skip
    results = [(*asdict(lift).values(), *summary) for lift in judged.lifts]
    return rows.sparkSession.createDataFrame(results, f"{_LIFT}, {_TRIAL}")


def _trial(rows: DataFrame, given: dict[str, Any]) -> Trial:
    """Compute the moments of both arms in one pass over the viewers."""
    groups = rows.groupBy(*_GROUP).agg(*_moments()).collect()
    viewers = [row for row in groups if row["kind"] == "viewer"]
    days = {row["kind"]: row["viewers"] for row in groups}
    if not viewers and "left out" not in days:
        raise LakeError(
            f"{given['control']} and {given['treatment']} served no viewer at the same time from {given['start']} to "
            f"{given['end']}. Choose an interval in which both were live (see dim_ranker_models)."
        )
    return Trial(
        tuple(_stage(groups, stage) for stage in sorted({tuple(row[c] for c in _STAGE) for row in viewers})),
        sum(row["crossovers"] for row in viewers),
        cuped=any(row["pre_viewers"] for row in viewers) and not any(row["pre_treated"] for row in viewers),
        minimum_effect=given["minimum_effect"],
        regret_known_from=max((row["known_from"] for row in viewers if row["known_from"]), default=None),
        days=days.get("compared", 0),
        days_left_out=days.get("left out", 0),
    )


def _stage(groups: list[Row], stage: tuple[Any, ...]) -> Stage:
    """One stage from the groups of all stages. `stage` has the shares of both models."""
    own = [row for row in groups if tuple(row[c] for c in _STAGE) == stage]
    arms = {row["is_treatment"]: row for row in own if row["kind"] == "viewer"}
    positions: dict[bool, dict[int, dict[str, float]]] = {False: {}, True: {}}
    for row in own:
        if row["kind"] == "position":
            positions[row["is_treatment"]][row["position_bucket"]] = {c: float(row[f"mean_{c}"]) for c in _SUMMED}
    share = float(next(iter(arms.values()))["treatment_share"])
    return Stage(_aggregates(arms.get(False)), _aggregates(arms.get(True)), share, positions[False], positions[True])


def _columns() -> tuple[list[str], list[tuple[str, str]]]:
    """The columns whose moments the metrics need, and the pairs of columns whose covariance they need."""
    needed = [ratio(metric, cuped=True).aggr_cols for metric in METRICS]
    pairs = {(min(pair), max(pair)) for cols in needed for pair in cols.cov_cols}
    return sorted({c for cols in needed for c in cols.mean_cols}), sorted(pairs)


_SUMMED = tuple(dict.fromkeys(name for pair in METRICS.values() for name in pair))
"""The columns of a position; each position is one row, so that its means are its sums."""


def _moments() -> list[Any]:
    columns, pairs = _columns()
    return [
        F.count("*").alias("viewers"),
        F.max("treatment_share").alias("treatment_share"),
        F.count_if("saw_both").alias("crossovers"),
        F.max("known_from").alias("known_from"),
        F.count_if(F.col("pre_impressions") > 0).alias("pre_viewers"),
        F.bool_or("pre_treated").alias("pre_treated"),
        *[F.avg(c).alias(f"mean_{c}") for c in columns],
        *[F.var_samp(c).alias(f"var_{c}") for c in columns],
        *[F.covar_samp(a, b).alias(f"cov_{a}_{b}") for a, b in pairs],
    ]


def _aggregates(row: Row | None) -> Aggregates:
    """The moments of an arm; an arm without viewers has count 0 and no moments."""
    if row is None:
        return Aggregates(count_=0)
    columns, pairs = _columns()
    return Aggregates(
        row["viewers"],
        {c: row[f"mean_{c}"] for c in columns},
        {c: row[f"var_{c}"] or 0 for c in columns},
        {(a, b): row[f"cov_{a}_{b}"] or 0 for a, b in pairs},
    )
