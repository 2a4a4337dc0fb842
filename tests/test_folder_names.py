"""The lake and the landing zone work in folders with unusual names."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession
from soak import shares
from support.local_lake import END, local_settings

from etl.operations.erasure import driver as erasure
from etl.operations.maintenance import driver as maintenance

NAME, VIEWER = "Ländereien [1] 50%20 {a}#b?c", 4711


def test_a_lake_in_a_folder_with_special_characters_works(spark: SparkSession, tmp_path: Path) -> None:
    """Run, maintenance and erasure work, and write nothing outside the folder."""
    settings = local_settings(tmp_path / NAME)
    shares.land(settings, VIEWER)
    assert shares.losses(spark, settings) == []
    maintenance.maintain(spark, settings, END, dry_run=False)
    receipt = erasure.erase(spark, settings, [VIEWER], "ticket 17")
    assert receipt["complete"] and receipt["landing"]["shares"] == {"files": 1, "records": 1}
    assert shares.run(spark, settings).entries == []
    assert [p.name for p in tmp_path.iterdir()] == [NAME]
