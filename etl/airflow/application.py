"""The application for spark-submit: runs `feed-etl` on the master of spark-submit and keeps its exit codes."""

import os

from pyspark import SparkConf

from etl.cli import main

if __name__ == "__main__":
    os.environ["FEED_ETL_MASTER"] = SparkConf().get("spark.master", "local[*]")
    main()
