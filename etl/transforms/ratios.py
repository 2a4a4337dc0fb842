"""Ratios as decimals, rounded half up."""

from pyspark.sql import Column
from pyspark.sql import functions as F


def half_up_ratio(numerator: str, denominator: str, places: int, type_: str, limit: str) -> Column:
    """numerator / denominator, rounded half up to `places` and capped at `limit`. The denominator must not be 0."""
    exact = f"CAST({numerator} AS DECIMAL(20,0)) / CAST({denominator} AS DECIMAL(18,0))"
    return F.expr(f"CAST(least(round({exact}, {places}), {limit}) AS {type_})")


def ratio(numerator: str, denominator: str, places: int = 5, type_: str = "DECIMAL(7,5)") -> Column:
    """numerator / denominator, rounded half up and capped at 99.99…; NULL when the denominator is not positive."""
    limit = "99." + "9" * places
    return F.when(F.expr(f"{denominator} > 0"), half_up_ratio(numerator, denominator, places, type_, limit))
