"""Once a day: each owner's data-quality report by mail, and the dashboard."""

from etl.airflow import dags

dag = dags.daily("feed_daily", __doc__, "0 2 * * *")
