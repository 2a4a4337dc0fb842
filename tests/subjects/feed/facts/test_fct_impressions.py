"""fct_impressions: the hour comes from the id, and the ranker from the landed record."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.rows import assert_rows, at, minted, records, rows

from etl.subjects.feed.dims import dim_ranker_models
from etl.subjects.feed.events import IMPRESSIONS
from etl.subjects.feed.facts import fct_impressions
from etl.subjects.shared.bronze_tables import bronze_table
from etl.subjects.shared.bronze_tables import transform as bronze_rows


def test_impression_hour_is_the_hour_in_the_id(spark: SparkSession) -> None:
    """The id is created at 9:59:59.900, and the post is served 200 ms later, in the next hour."""
    landed = records(
        spark,
        IMPRESSIONS,
        [{"impression_id": minted(at("09:59:59.900")), "impression_ts": at("10:00:00.100")}],
    )

    made = fct_impressions.transform(bronze_rows(landed, bronze_table(IMPRESSIONS)))

    naive = made.select(F.date_trunc("hour", "impression_ts") == F.lit(at("10:00"))).collect()
    assert naive == [(True,)]
    assert_rows(made, fct_impressions.TABLE, [{"impression_hour": at("09:00")}])


def test_the_ranker_is_not_looked_up_again(spark: SparkSession) -> None:
    """The record says version 7. In the dimension, version 8 holds at that time. The fact keeps version 7."""
    served = [{"ranker_model_id": 7, "predicted_score": Decimal("0.123457")}]
    bronze = rows(spark, bronze_table(IMPRESSIONS), served)
    dim = rows(spark, dim_ranker_models.TABLE, [
        {"ranker_model_id": 7, "valid_from": at("00:00"), "valid_to": at("09:00")},
        {"ranker_model_id": 8, "valid_from": at("09:00")},
    ])  # fmt: skip

    made = fct_impressions.transform(bronze)

    as_of = "impression_ts >= valid_from AND (valid_to IS NULL OR impression_ts < valid_to)"
    naive = bronze.drop("ranker_model_id").join(dim, F.expr(as_of)).select("ranker_model_id").collect()
    assert naive == [(8,)]
    assert_rows(made, fct_impressions.TABLE, served)


def test_no_dimension_is_an_input() -> None:
    """Without a dimension as input, the ranker cannot be looked up again."""
    assert [i.table.name for i in fct_impressions.TABLE.inputs] == ["bronze_impressions"]


def test_a_score_keeps_six_places(spark: SparkSession) -> None:
    landed = records(spark, IMPRESSIONS, [{"predicted_score": 0.1234567}, {"predicted_score": -99.999999}])

    made = fct_impressions.transform(bronze_rows(landed, bronze_table(IMPRESSIONS)))

    scores = [{"predicted_score": Decimal("0.123457")}, {"predicted_score": Decimal("-99.999999")}]
    assert_rows(made, fct_impressions.TABLE, scores)
