"""Once a day: each owner's data-quality report of the day by mail, the dashboard, Great Expectations' Data Docs.

And maintenance: what is past its time leaves the lake and the landing zone, closed hours are compacted. It names each
thing before it does it, and waits for no report: what reports read is the ledger.
"""

from etl.airflow import dags

dag = dags.daily("feed_daily", __doc__, "0 2 * * *")
