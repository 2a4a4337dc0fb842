"""Hourly: process late files, which landed after their hour was run.

Half an hour after each hour, one Spark application checks the 24 landed hours before the last one. An hour with
unchanged files costs only a file listing. An hour with new files is rebuilt, and so are the tables that read it. Each
hour is audited and published by itself: a bad hour does not hold back other hours.
"""

from etl.airflow import dags

dag = dags.late("feed_late", __doc__, "30 * * * *", "feed")
