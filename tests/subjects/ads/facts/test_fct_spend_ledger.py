"""fct_spend_ledger: the invoice of a campaign and day, to the cent."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows

from etl.subjects.ads.events import SPEND_LEDGER
from etl.subjects.ads.facts.fct_spend_ledger import TABLE, transform
from etl.subjects.shared.bronze_tables import bronze_table


def test_an_invoice_belongs_to_its_day_whenever_it_lands(spark: SparkSession) -> None:
    bill = {
        "campaign_id": 5, "day": date(2026, 5, 30), "billed_usd": Decimal("9999999999.99"), "streaming_usd": None,
    }  # fmt: skip

    made = transform(rows(spark, bronze_table(SPEND_LEDGER), [bill]))

    assert_rows(made, TABLE, [bill | {"day_start": at("00:00") - timedelta(days=2)}])
