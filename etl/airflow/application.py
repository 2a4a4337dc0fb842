"""What spark-submit runs: `feed-etl` itself, on the master that spark-submit was given, with its exit codes."""

import os

from pyspark import SparkConf

from etl.cli import main

if __name__ == "__main__":
    os.environ["FEED_ETL_MASTER"] = SparkConf().get("spark.master", "local[*]")
    main()
