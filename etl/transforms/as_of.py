"""As-of join: each row gets the version of a dimension that held at the time of the row."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def as_of(rows: DataFrame, versions: DataFrame, key: str, at: str, *wanted: str) -> DataFrame:
    """Add the `wanted` columns of the version that held at the time in column `at`; NULL when none did.

    `versions` has (key, wanted columns, valid_from inclusive, valid_to exclusive). The number of rows does not change.
    """
    held = versions.select(F.col(key).alias("_key"), *wanted, "valid_from", "valid_to")
    live = f"{key} = _key AND {at} >= valid_from AND (valid_to IS NULL OR {at} < valid_to)"
    return rows.join(F.broadcast(held), F.expr(live), "left").drop("_key", "valid_from", "valid_to")
