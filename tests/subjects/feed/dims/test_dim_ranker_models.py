"""dim_ranker_models: the id of a version is landed; every version has one."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import SparkSession
from support.rows import Row, assert_rows, at, rows

from etl.subjects.feed.dims.dim_ranker_models import TABLE, transform
from etl.subjects.feed.events import RANKER_MODELS
from etl.subjects.shared.bronze_tables import bronze_table


def test_a_change_of_deployed_pct_is_a_new_version_with_its_own_id(spark: SparkSession) -> None:
    """Release 4.1.0 goes from 5 to 50 percent, so it has two rows with two ranker_model_ids."""
    ramp = [
        {
            "ranker_model_id": 7,
            "model_semver": "4.1.0",
            "deployed_pct": Decimal(5),
            "effective_ts": at("08:00"),
        },
        {
            "ranker_model_id": 8,
            "model_semver": "4.1.0",
            "deployed_pct": Decimal(50),
            "effective_ts": at("09:00"),
        },
    ]

    made = transform(rows(spark, bronze_table(RANKER_MODELS), ramp))

    assert_rows(made, TABLE, [
        {"ranker_model_id": 7, "deployed_pct": Decimal(5), "valid_to": at("09:00"), "is_current": False},
        {"ranker_model_id": 8, "deployed_pct": Decimal(50), "valid_to": None, "is_current": True},
    ])  # fmt: skip


def test_two_releases_can_be_current_at_the_same_time(spark: SparkSession) -> None:
    given = [
        {"ranker_model_id": 7, "model_semver": "4.1.0", "effective_ts": at("08:00")},
        {"ranker_model_id": 9, "model_semver": "4.2.0", "effective_ts": at("09:00")},
    ]

    made = transform(rows(spark, bronze_table(RANKER_MODELS), given))

    assert_rows(made, TABLE, [{"model_semver": v, "is_current": True} for v in ("4.1.0", "4.2.0")])


def test_a_retired_model_has_no_current_row(spark: SparkSession) -> None:
    """A retire record may lack the other fields. The closed version keeps its values."""
    given: list[Row] = [
        {"ranker_model_id": 7, "model_semver": "4.1.0", "feature_set": "f2", "effective_ts": at("08:00")},
        {"ranker_model_id": None, "model_semver": "4.1.0", "feature_set": None, "op": "retire",
         "effective_ts": at("09:00")},
    ]  # fmt: skip

    made = transform(rows(spark, bronze_table(RANKER_MODELS), given))

    assert_rows(made, TABLE, [
        {"ranker_model_id": 7, "feature_set": "f2", "valid_to": at("09:00"), "is_deleted": True, "is_current": False},
    ])  # fmt: skip
