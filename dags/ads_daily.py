"""Daily: check the last eight days of ads again for files that landed after their hour was run.

Eight days are enough, because by then the day is locked. An hour with unchanged files costs only a file listing. A
conversion that lands before its day is locked restates only that day. A later conversion is stored but not counted.
Each hour is audited and published by itself.
"""

from etl.airflow import dags

dag = dags.late("ads_daily", __doc__, "0 3 * * *", "ads", look_back_hours=8 * 24)
