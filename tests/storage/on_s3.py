"""Script for a process whose Spark has S3: `python on_s3.py FOLDER` compares a lake on S3 with a local lake.

It is a separate process, because a started session gets no further JARs. It prints the differences as JSON.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from pyspark.sql import SparkSession
from soak import shares
from storage.servers import BUCKET, upload
from support.lakes import uri
from support.local_lake import START
from test_order import content, recorded

from etl import conf
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.spark import session
from etl.operations.erasure import driver as erasure
from etl.operations.maintenance import driver as maintenance

TABLES = [
    "bronze_ranker_models", "dim_ranker_models", "bronze_impressions", "fct_impressions", "fct_dwell_per_impression",
    "bronze_engagements", "fct_engagements", "agg_post_engagement_hourly", *shares.TABLES,
]  # fmt: skip
HOUR = timedelta(hours=1)
INTERVAL = START, START + 2 * HOUR
HOURS = 8, 9


def settings(lake: str, landing: str) -> Settings:
    return conf.load("local", master="local[2]", lake=lake, landing=landing).model_copy(update={"single_writer": True})


def run_two_hours_at_once(spark: SparkSession, target: Settings) -> list[str]:
    """Run two landed hours at the same time, which both add to one hour of facts. Returns errors and lost shares."""

    def one(hour: int) -> list[str]:
        own = spark.newSession()
        delta.activate(own)
        start = START.replace(hour=hour)
        return [str(e) for e in runner.run(own, target, start, start + HOUR, shares.TABLES).errors.values()]

    with ThreadPoolExecutor(2) as pool:
        problems = [line for found in pool.map(one, HOURS) for line in found]
    ids = sorted(r[0] for r in delta.read(spark, uri(target, "fct_shares")).select("share_id").collect())
    return problems + ([] if {1, 2} <= set(ids) else [f"shares 1 and 2 of {len(ids)} are missing"])


def main(folder: Path) -> dict[str, object]:
    """Run on disk and on S3; on S3 also two runs at once, an erasure and maintenance. Returns all differences."""
    local = settings(str(folder / "lake"), str(folder / "landing"))
    remote = settings(f"s3a://{BUCKET}/lake", f"s3a://{BUCKET}/landing")
    spark = session.start(session.with_options(remote, session.SMALL_HOURS), "on S3")
    upload(Path(local.landing), "landing", remote.spark)
    report: dict[str, object] = {}
    for name, target in (("disk", local), ("s3", remote)):
        report[f"errors on {name}"] = {
            t: str(e) for t, e in runner.run(spark, target, *INTERVAL, TABLES).errors.items()
        }
    report["left to do"] = [e.table_name for e in runner.run(spark, remote, *INTERVAL, TABLES).entries]
    report["ledgers differ"] = recorded(spark, local) != recorded(spark, remote)
    more = local.model_copy(update={"landing": str(folder / "more")})
    for number, hour in enumerate(HOURS, 1):
        shares.land(more, number, hour=hour)
    upload(Path(more.landing), "landing", remote.spark)
    report["lost by two runs at once"] = run_two_hours_at_once(spark, remote)
    engagements = delta.read(spark, uri(remote, "fct_engagements"))
    viewer = engagements.groupBy("viewer_id").count().orderBy("count", "viewer_id").collect()[-1]["viewer_id"]
    report["erased"] = erasure.erase(spark, remote, [viewer], "ticket 17")["complete"]
    left = delta.read(spark, uri(remote, "fct_engagements")).where(f"viewer_id = {viewer}")
    report["rows of the erased"] = left.count()
    maintenance.maintain(spark, remote, None, dry_run=False)
    found = {name: {h: c.checksum for h, c in hours.items()} for name, hours in content(spark, remote).items()}
    known = recorded(spark, remote)
    report["wrong checksums"] = [name for name in known if known[name] != found[name]]
    return report


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
