"""quarantine: a rejected record as it landed, with all its reasons."""

from __future__ import annotations

from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows

from etl.subjects.shared.bronze import quarantine


def test_a_quarantined_record_keeps_its_text_and_its_reasons(spark: SparkSession) -> None:
    quarantined = {"event": "impressions", "raw": "{", "reasons": ["unparseable"], "landed_hour": at("10:00")}

    made = quarantine.transform(rows(spark, quarantine.TABLE, [quarantined]))

    assert_rows(made, quarantine.TABLE, [quarantined])
