"""Airflow integration: a DAG factory, an operator that maps exit codes to retries, pools, alerts.

Parsing a DAG file imports no Spark, no Great Expectations and no catalog. DAGs read the tables from `tables.yaml`,
which `make dags` generates from the catalog.
"""
