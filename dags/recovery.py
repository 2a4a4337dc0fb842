"""Hourly: try the hours again that failed in three runs, which the other DAGs leave out.

`feed-etl recover` makes each hour of the recovery list alone, then the tables that read it. The task is red as long as
an hour of the list fails. Such an hour holds up only what reads it: files that land later are processed as usual. To
look at the list: `feed-etl recover --dry-run`. After a repair this DAG makes the hour within an hour, or trigger it.
"""

from etl.airflow import dags

dag = dags.recovery("recovery", __doc__, "45 * * * *")
