"""A lake and a landing zone may lie in any folder a machine can have."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession
from soak import shares
from support.local_lake import END, local_settings

from etl.operations.erasure import driver as erasure
from etl.operations.maintenance import driver as maintenance

NAME, VIEWER = "Ländereien [1] 50%20 {a}#b?c", 4711


def test_a_lake_lies_where_it_was_said_to(spark: SparkSession, tmp_path: Path) -> None:
    """Run, kept and erased from, and nothing is written beside it."""
    settings = local_settings(tmp_path / NAME)
    shares.land(settings, VIEWER)
    assert shares.losses(spark, settings) == []
    maintenance.maintain(spark, settings, END, dry_run=False)
    receipt = erasure.erase(spark, settings, [VIEWER], "ticket 17")
    assert receipt["complete"] and receipt["landing"]["shares"] == {"files": 1, "records": 1}
    assert shares.run(spark, settings).entries == []
    assert [p.name for p in tmp_path.iterdir()] == [NAME]
