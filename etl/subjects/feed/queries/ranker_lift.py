"""Post-processing of ranker_lift. Spark computes moments over viewers and collects no viewer; `lift` judges them."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from tea_tasting.aggr import Aggregates

from etl.errors import LakeError
from etl.subjects.feed.queries.lift import METRICS, Lift, Trial, judge, ratio

_LIFT = "metric STRING, " + ", ".join(f"{field.name} DOUBLE" for field in fields(Lift) if field.name != "metric")
_TRIAL = (
    "verdict STRING, reason STRING, control_viewers BIGINT, treatment_viewers BIGINT, crossovers BIGINT, "
    "sample_ratio_p DOUBLE, cuped BOOLEAN"
)


def finish(rows: DataFrame, given: dict[str, Any]) -> DataFrame:
    """Viewers with their arm and sums -> one row per metric.

    Raises LakeError when the two models were never live at the same time.
    """
    trial = _trial(rows, given)
    judged = judge(trial)
    summary = (judged.verdict, judged.reason, *trial.viewers, trial.crossovers, judged.sample_ratio_p, trial.cuped)
    results = [(*asdict(lift).values(), *summary) for lift in judged.lifts]
    return rows.sparkSession.createDataFrame(results, f"{_LIFT}, {_TRIAL}")


def _trial(rows: DataFrame, given: dict[str, Any]) -> Trial:
    """Compute the moments of both arms in one pass over the viewers."""
    found = {row["arm"]: row for row in rows.groupBy("arm").agg(*_moments()).collect()}
    if not found:
        raise LakeError(
            f"{given['control']} and {given['treatment']} served no viewer at the same time from {given['start']} to "
            f"{given['end']}. Choose an interval in which both were live (see dim_ranker_models)."
        )
    return Trial(
        _aggregates(found.get("control")),
        _aggregates(found.get("treatment")),
        float(max(row["treatment_share"] for row in found.values())),
        found["both"]["viewers"] if "both" in found else 0,
        cuped=any(row["pre_viewers"] for row in found.values())
        and not any(row["pre_treated"] for row in found.values()),
        minimum_effect=given["minimum_effect"],
        regret_known_from=max((row["known_from"] for row in found.values() if row["known_from"]), default=None),
    )


def _columns() -> tuple[list[str], list[tuple[str, str]]]:
    """The columns whose moments the metrics need, and the pairs of columns whose covariance they need."""
    needed = [ratio(metric, cuped=True).aggr_cols for metric in METRICS]
    pairs = {(min(pair), max(pair)) for cols in needed for pair in cols.cov_cols}
    return sorted({c for cols in needed for c in cols.mean_cols}), sorted(pairs)


def _moments() -> list[Any]:
    columns, pairs = _columns()
    return [
        F.count("*").alias("viewers"),
        F.max("treatment_share").alias("treatment_share"),
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
