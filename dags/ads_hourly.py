"""Hourly: every table of ads, from five-minute click rows to days, sessions, attribution credit and spend.

A run processes its own interval, `[H, H+1h)`, as soon as the interval ends, with one Spark application and a task per
table that watches it, like `feed_hourly`. The ledger also plans every hour that a change affects: the sessions around
it, seven days of conversions after a click, a day in another time zone. A run also checks `look_back_hours` landed
hours before its own: for hours that a failed run left, and for files that landed after their hour was run. A late-
arriving record that lands in the latest hour needs no look-back. `feed-etl report lateness` shows how late records are,
and which look-back a pipeline that runs by event time would need.
"""

from etl.airflow import dags

dag = dags.hourly("ads_hourly", __doc__, "0 * * * *", "ads", look_back_hours=2)
