"""Ratios as decimals, rounded half up."""

from pyspark.sql import Column
from pyspark.sql import functions as F


def half_up_ratio(numerator: str, denominator: str, places: int, type_: str, limit: str) -> Column:
    """numerator / denominator rounded half up to `places`, saturating at the type's limit."""
    exact = f"CAST({numerator} AS DECIMAL(20,0)) / CAST({denominator} AS DECIMAL(18,0))"
    return F.expr(f"CAST(least(round({exact}, {places}), {limit}) AS {type_})")


def ratio(numerator: str, denominator: str, places: int = 5, type_: str = "DECIMAL(7,5)") -> Column:
    """Half up, at most what the type holds; NULL where there is nothing to divide by."""
    limit = "99." + "9" * places
    return F.when(F.expr(f"{denominator} > 0"), half_up_ratio(numerator, denominator, places, type_, limit))
