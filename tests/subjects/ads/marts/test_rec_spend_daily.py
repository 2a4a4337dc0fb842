"""rec_spend_daily: batch spend, streaming counter and invoice, to the cent."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame, SparkSession
from support.rows import Row, assert_rows, rows

from etl.subjects.ads.facts import fct_ad_impressions, fct_spend_ledger
from etl.subjects.ads.marts.rec_spend_daily import TABLE, transform

CAMPAIGN_DAY: Row = {"campaign_id": 100, "day": date(2026, 6, 1)}


def reconciled(
    spark: SparkSession, micros: list[Row], bills: list[str] | None = None, counted: str | None = None
) -> DataFrame:
    shown = [{"campaign_id": 100, "local_day": CAMPAIGN_DAY["day"]} | row for row in micros]
    streaming = None if counted is None else Decimal(counted)
    billed = [CAMPAIGN_DAY | {"billed_usd": Decimal(bill), "streaming_usd": streaming} for bill in bills or []]
    return transform(rows(spark, fct_ad_impressions.TABLE, shown), rows(spark, fct_spend_ledger.TABLE, billed))


def test_each_ad_is_rounded_to_the_cent_and_the_remainder_is_unallocated(spark: SparkSession) -> None:
    """Three ads with 0.4 cents each round to nothing; together they round to a cent."""
    made = reconciled(spark, [{"ad_id": ad, "spend_micros": 4_000} for ad in (1, 2, 3)], ["0.01"])

    assert_rows(made, TABLE, [{
        "ad_usd": Decimal("0.00"), "batch_usd": Decimal("0.01"), "campaign_usd": Decimal("0.01"),
        "unallocated_usd": Decimal("0.01"), "explanation": "agrees",
    }])  # fmt: skip


@pytest.mark.parametrize(("bill", "difference", "why"), [
    ("2.00", "0.00", "agrees"),
    ("2.01", "0.01", "rounding"),
    ("1.99", "-0.01", "rounding"),
    ("2.02", "0.02", "unallocated"),
    ("2.50", "0.50", "invalid_traffic"),
    ("1.50", "-0.50", "unallocated"),
])  # fmt: skip
def test_a_difference_is_explained_or_unallocated(spark: SparkSession, bill: str, difference: str, why: str) -> None:
    """Two ads with a dollar each, and half a dollar of invalid traffic."""
    spent: list[Row] = [{"ad_id": ad, "spend_micros": 1_000_000} for ad in (1, 2)]
    invalid: Row = {"ad_id": 1, "spend_micros": 500_000, "is_valid": False}

    made = reconciled(spark, [*spent, invalid], [bill])

    assert_rows(made, TABLE, [{
        "billed_usd": Decimal(bill), "invalid_usd": Decimal("0.50"), "difference_usd": Decimal(difference),
        "unallocated_usd": Decimal(difference), "explanation": why,
    }])  # fmt: skip


@pytest.mark.parametrize(("counted", "why"), [
    (None, "no_counter"), ("1.00", "agrees"), ("1.50", "invalid_traffic"), ("1.01", "rounding"),
    ("9.00", "unexplained"),
])  # fmt: skip
def test_the_streaming_counter_has_its_own_explanation(spark: SparkSession, counted: str | None, why: str) -> None:
    """The explanation of the invoice does not influence the explanation of the counter."""
    spent: list[Row] = [{"spend_micros": 1_000_000}, {"spend_micros": 500_000, "is_valid": False}]

    made = reconciled(spark, spent, ["1.00"], counted)

    assert_rows(made, TABLE, [{"explanation": "agrees", "streaming_explanation": why}])


def test_a_cent_of_invalid_traffic_on_the_invoice_is_not_explained_as_rounding(spark: SparkSession) -> None:
    made = reconciled(spark, [{"spend_micros": 1_000_000}, {"spend_micros": 10_000, "is_valid": False}], ["1.01"])

    assert_rows(made, TABLE, [{"difference_usd": Decimal("0.01"), "explanation": "invalid_traffic"}])


def test_rounding_explains_at_most_half_a_cent_per_ad_and_half_a_cent(spark: SparkSession) -> None:
    """For 500 ads, the limit is 2.505 dollars."""
    spent: list[Row] = [{"ad_id": ad, "spend_micros": 1_000_000} for ad in range(500)]

    for bill, why in (("502.50", "rounding"), ("502.51", "unallocated")):
        assert_rows(reconciled(spark, spent, [bill]), TABLE, [{"explanation": why}])


def test_delivery_without_an_invoice_is_charged_by_batch_spend(spark: SparkSession) -> None:
    made = reconciled(spark, [{"spend_micros": 1_230_000}])

    assert_rows(made, TABLE, [{
        "campaign_usd": Decimal("1.23"), "billed_usd": None, "difference_usd": None, "explanation": "no_invoice",
    }])  # fmt: skip


def test_an_invoice_without_delivery_is_unallocated(spark: SparkSession) -> None:
    made = reconciled(spark, [], ["5.00"])

    assert_rows(made, TABLE, [{
        "ad_usd": Decimal(0), "batch_usd": Decimal(0), "unallocated_usd": Decimal("5.00"),
        "explanation": "no_delivery",
    }])  # fmt: skip


def test_half_a_cent_is_rounded_up(spark: SparkSession) -> None:
    assert_rows(reconciled(spark, [{"spend_micros": 5_000}]), TABLE, [{"batch_usd": Decimal("0.01")}])
