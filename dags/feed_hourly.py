"""Every table of the feed, hour by hour: landed files to gated bronze, dimensions, facts, rollups and marts.

A run handles its own interval, `[H, H+1h)`, as soon as it ended. Each task is one table and one Spark
application, `feed-etl run --from H --to H+1h --table T`. A green task means that the table passed its gate, and updates
its asset; a red one leaves the published version as it was, and what reads the table does not run.

A failed gate is not tried again: repair the cause, then clear the red task with what is downstream of it.
Trouble of the machine, the landing zone or the lake is tried four times more, 1, 2, 4 and 8 minutes apart.
"""

from etl.airflow import dags

dag = dags.hourly("feed_hourly", __doc__, "0 * * * *", "feed")
