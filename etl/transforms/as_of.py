"""Joins as of an instant: a row gets the version of a dimension that held then."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def as_of(rows: DataFrame, versions: DataFrame, key: str, at: str, *wanted: str) -> DataFrame:
    """Rows with columns of the version that held at an instant of each; NULL where none did. Never more rows."""
    held = versions.select(F.col(key).alias("_key"), *wanted, "valid_from", "valid_to")
    live = f"{key} = _key AND {at} >= valid_from AND (valid_to IS NULL OR {at} < valid_to)"
    return rows.join(F.broadcast(held), F.expr(live), "left").drop("_key", "valid_from", "valid_to")
