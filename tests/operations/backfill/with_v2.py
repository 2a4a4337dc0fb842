"""Runs `feed-etl` with a second logic version of fct_shares, which writes channels in capitals.

Usage: `python with_v2.py ARGUMENTS...`
"""

from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl import catalog, cli

MODULE: Any = catalog.entry("fct_shares").module


def transform_v2(bronze_shares: DataFrame) -> DataFrame:
    return MODULE.transform(bronze_shares).withColumn("channel", F.upper("channel"))


if __name__ == "__main__":
    MODULE.transform_v2 = transform_v2
    cli.main()
