"""Any range of hours again, by a form: which hours, which tables, why, and who answers for it.

The plan lists hours, tables, what reads them and the estimated cost, and writes nothing. Without `dry run` the
backfill then runs beside the live hours and is switched over hour by hour. To go on with one that was killed, or
refused for what it changes, give its id (in the log of the run) as `resume`.
"""

from etl.airflow import dags

dag = dags.backfill("feed_backfill", __doc__)
