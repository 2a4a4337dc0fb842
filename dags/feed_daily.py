"""Daily: the data-quality report for each owner by mail, the dashboard, Great Expectations Data Docs, maintenance.

Maintenance removes data past its retention from the lake and the landing zone, and compacts closed hours. It prints
each action before doing it. It does not wait for the reports, because reports read only the ledger.
"""

from etl.airflow import dags

dag = dags.daily("feed_daily", __doc__, "0 2 * * *")
