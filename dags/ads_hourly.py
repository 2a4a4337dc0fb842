"""Every table of ads, hour by hour: clicks in five-minute rows, rolled up to days, sessions, credit, spend.

A run handles its own interval, `[H, H+1h)`, as soon as it ended, one table to a task, as `feed_hourly` does. What a
change reaches (the sessions around it, seven days of conversions after a click, a day in another time zone) is made
again with it, by the ledger. A run also looks at `look_back_hours` landed hours before its own, for what a failed run
left and for files that came into an hour after it was run. A record that is late, but lands in the newest hour, needs
no look-back: `feed-etl report lateness` says how late records are, and what a pipeline that goes by event time would
need.
"""

from etl.airflow import dags

dag = dags.hourly("ads_hourly", __doc__, "0 * * * *", "ads", look_back_hours=2)
