"""Every table of ads, hour by hour: clicks in five-minute rows, rolled up to days, sessions, credit, spend.

A run handles its own interval, `[H, H+1h)`, as soon as it ended, one table to a task, as `feed_hourly` does. What a
change reaches (the sessions around it, seven days of conversions after a click, a day in another time zone) is made
again with it, by the ledger. The landed hours before its own that a run looks at, for what a failed run left or what
landed late, are `look_back_hours`: `feed-etl report lateness` says how many to take.
"""

from etl.airflow import dags

dag = dags.hourly("ads_hourly", __doc__, "0 * * * *", "ads", look_back_hours=2)
