"""Hourly: every table of the feed, from landed files to audited bronze, dimensions, facts, rollups and marts.

A run processes its own interval, `[H, H+1h)`, as soon as the interval ends. The task `run_hour` runs all tables in one
Spark application, `feed-etl run --from H --to H+1h --subject feed`. Each other task is one table and watches that
application. A successful task means that the table passed its audit; it updates the asset of the table. A failed task
keeps the published version, and the tables that read it do not run.

A table that is retried or cleared runs alone: `feed-etl run --from H --to H+1h --table T`. So do all tables that
`run_hour` left when it failed.

A failed audit is not retried: repair the cause, then clear the failed task and its downstream tasks.
Errors of the machine, the landing zone or the lake are retried four times, after 1, 2, 4 and 8 minutes.
"""

from etl.airflow import dags

dag = dags.hourly("feed_hourly", __doc__, "0 * * * *", "feed")
