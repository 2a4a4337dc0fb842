"""Every table of ads, hour by hour: clicks in five-minute rows, rolled up to days, sessions, credit, spend.

A run handles its own interval, `[H, H+1h)`, as soon as it ended, one table to a task, as `feed_hourly` does. What a
change reaches (the sessions around it, seven days of conversions after a click, a day in another time zone) is made
again with it: how far back a run looks is a question to the ledger, not a setting.
"""

from etl.airflow import dags

dag = dags.hourly("ads_hourly", __doc__, "0 * * * *", "ads")
