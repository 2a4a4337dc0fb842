"""Manual: rebuild any interval of hours. The form asks for hours, tables, reason and owner.

The plan lists hours, tables, downstream tables and the estimated cost. It writes nothing. Without `dry run`, the
backfill then rebuilds the hours in a staging area and publishes them hour by hour. To continue a backfill that was
killed, or that stopped because its changes exceed the budget, enter its id (from the log of the run) as `resume`.
"""

from etl.airflow import dags

dag = dags.backfill("feed_backfill", __doc__)
