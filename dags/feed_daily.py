"""Once a day: each owner's data-quality report of the day by mail, the dashboard, Great Expectations' Data Docs."""

from etl.airflow import dags

dag = dags.daily("feed_daily", __doc__, "0 2 * * *")
