"""What Airflow runs and how: a factory of DAGs, an operator that knows our exit codes, pools. Light at parse time.

Nothing here imports Spark, Great Expectations or the catalogue when a DAG file is read: what a DAG must know of the
tables is in `tables.yaml`, made from the catalogue by `make dags`.
"""
