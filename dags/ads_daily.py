"""Once a day the last eight days of ads again: what landed after its hour was run, until the last of them is locked.

An hour whose files are the ones it was made from costs a listing. A conversion that came before its day was locked
restates that day and no other; one that came later is kept and not counted. Each hour is judged by itself.
"""

from etl.airflow import dags

dag = dags.late("ads_daily", __doc__, "0 3 * * *", "ads", look_back_hours=8 * 24)
