"""Runs and reads the lake of a few shares that tests of operations change."""

from __future__ import annotations

from pyspark.sql import SparkSession
from soak.shares import TABLES

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.summary import Summary
from support.lakes import uri
from support.local_lake import END, START


def run(spark: SparkSession, settings: Settings) -> Summary:
    """Run the tables of shares, from landing to facts."""
    return runner.run(spark, settings, START, END, tables=TABLES)


def share_ids(spark: SparkSession, settings: Settings, table: str = "fct_shares") -> list[int]:
    """The share ids in a table."""
    return sorted(r[0] for r in delta.read(spark, uri(settings, table)).select("share_id").collect())
