"""What a test does in a process whose Spark has S3: `python on_s3.py FOLDER` of a simulated feed, beside a local lake.

A process of its own: a session that has started gets no further JARs. Prints what is not as it should be, as JSON.
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


def at_once(spark: SparkSession, place: Settings) -> list[str]:
    """Two runs of different landed hours, which both add to one hour of facts; then what was lost."""

    def one(hour: int) -> list[str]:
        own = spark.newSession()
        delta.activate(own)
        start = START.replace(hour=hour)
        return [str(e) for e in runner.run(own, place, start, start + HOUR, shares.TABLES).errors.values()]

    with ThreadPoolExecutor(2) as pool:
        said = [line for found in pool.map(one, HOURS) for line in found]
    ids = sorted(r[0] for r in delta.read(spark, uri(place, "fct_shares")).select("share_id").collect())
    return said + ([] if {1, 2} <= set(ids) else [f"shares 1 and 2 of {len(ids)} are not there"])


def main(folder: Path) -> dict[str, object]:
    """A run on disk and on S3; there two runs at once, an erasure and maintenance: what differs, what is not true."""
    here = settings(str(folder / "lake"), str(folder / "landing"))
    there = settings(f"s3a://{BUCKET}/lake", f"s3a://{BUCKET}/landing")
    spark = session.start(session.with_options(there, session.SMALL_HOURS), "on S3")
    upload(Path(here.landing), "landing", there.spark)
    said: dict[str, object] = {}
    for name, place in (("disk", here), ("s3", there)):
        said[f"errors on {name}"] = {t: str(e) for t, e in runner.run(spark, place, *INTERVAL, TABLES).errors.items()}
    said["left to do"] = [e.table_name for e in runner.run(spark, there, *INTERVAL, TABLES).entries]
    said["ledgers differ"] = recorded(spark, here) != recorded(spark, there)
    more = here.model_copy(update={"landing": str(folder / "more")})
    for number, hour in enumerate(HOURS, 1):
        shares.land(more, number, hour=hour)
    upload(Path(more.landing), "landing", there.spark)
    said["lost by two at once"] = at_once(spark, there)
    acts = delta.read(spark, uri(there, "fct_engagements"))
    viewer = acts.groupBy("viewer_id").count().orderBy("count", "viewer_id").collect()[-1]["viewer_id"]
    said["erased"] = erasure.erase(spark, there, [viewer], "ticket 17")["complete"]
    said["rows of the erased"] = delta.read(spark, uri(there, "fct_engagements")).where(f"viewer_id = {viewer}").count()
    maintenance.maintain(spark, there, None, dry_run=False)
    found = {name: {h: c.checksum for h, c in hours.items()} for name, hours in content(spark, there).items()}
    known = recorded(spark, there)
    said["checksums not true"] = [name for name in known if known[name] != found[name]]
    return said


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
