"""Any range of hours again, by a form: which hours, which tables, why, and who answers for it.

The plan lists hours, tables, what reads them and the estimated cost, and writes nothing. Without `dry run` the
backfill then runs beside the live hours and is switched over hour by hour. Clear a run that was killed, and it goes on.
"""

from etl.airflow import dags

dag = dags.backfill("feed_backfill", __doc__)
