"""Files that landed late: those that came into an hour after its run.

Half an hour after each hour, in one Spark application, the 24 landed hours before the last are looked at again. An hour
whose files are the ones it was made from costs a listing; one with new files is made again, and so are the tables that
read it. Each hour is judged by itself: a bad one does not hold back the others.
"""

from etl.airflow import dags

dag = dags.late("feed_late", __doc__, "30 * * * *", "feed")
