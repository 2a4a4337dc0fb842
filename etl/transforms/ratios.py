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


WIDTH = 24
"""Digits of an exact ratio: DECIMAL(24, places)."""


def exact_ratio(numerator: str, denominator: str, places: int = 6) -> Column:
    """numerator / denominator as DECIMAL(24, places), rounded half up once, from exact whole numbers; never clamped.

    Both are SQL expressions of whole numbers from 0 to 10^23. NULL when the denominator is not positive, or when the
    ratio has more digits than the type.
    """
    n, d = (f"CAST({each} AS DECIMAL({WIDTH},0))" for each in (numerator, denominator))
    doubled = f"({n} * 2{'0' * places} + {d})"
    whole = f"(({doubled} - {doubled} % ({d} * 2)) / ({d} * 2))"
    unit = f"CAST(1e-{places} AS DECIMAL({places},{places}))"
    fits = f"{denominator} > 0 AND {whole} < CAST(1e{WIDTH} AS DECIMAL({WIDTH + 1},0))"
    return F.expr(
        f"CASE WHEN {fits} THEN CAST(CAST({whole} AS DECIMAL({WIDTH},0)) * {unit} AS DECIMAL(24,{places})) END"
    )


def null_reasons(**missing: tuple[str, str]) -> Column:
    """Why ratios are NULL, as an array: name of the ratio = (SQL expression of its denominator, reason without it).

    A ratio that is NULL although its denominator is positive is `too_large`. The columns of the ratios must exist.
    """
    why = [
        F.expr(f"CASE WHEN {denominator} <= 0 THEN '{name}:{reason}' WHEN {name} IS NULL THEN '{name}:too_large' END")
        for name, (denominator, reason) in missing.items()
    ]
    return F.array_compact(F.array(*why))
