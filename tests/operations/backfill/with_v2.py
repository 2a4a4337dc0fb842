"""Runs `feed-etl` with a second logic version of fct_shares, which writes channels in capitals.

Usage: `python with_v2.py ARGUMENTS...`
"""

from __future__ import annotations

import dataclasses

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl import catalog, cli
from etl.catalog import Entry


def entry_with_v2() -> Entry:
    """The entry of fct_shares with a version 2."""
    entry = catalog.entry("fct_shares")

    def capitals(bronze_shares: DataFrame) -> DataFrame:
        rows: DataFrame = entry.transform(bronze_shares)
        return rows.withColumn("channel", F.upper("channel"))

    return dataclasses.replace(entry, table=dataclasses.replace(entry.table, logic=((2, capitals),)))


if __name__ == "__main__":
    catalog.entries()["fct_shares"] = entry_with_v2()
    cli.main()
