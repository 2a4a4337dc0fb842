"""Judges the shares of categories of a table-hour by those of the same hours of the week, as one number.

The number is the population stability index (PSI). It is 0 for equal shares; above 0.1 is a change, above 0.25 a large
one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log, nan

import numpy as np

from etl.engine.quality.history import FEW_WEEKS, HOLIDAY, MIN_ROWS, MIN_WEEKS, Judgment, Past

CATEGORIES, FLOOR = 9, 1e-4
"""Categories that are compared one by one, the others as one; smallest share that the index uses."""
INDEX_WARNING, INDEX_FAILURE = 0.1, 0.25
Counts = Mapping[str, int]


def judge_categories(past: Past, values: Sequence[Counts], observed: Counts) -> Judgment:
    """The judgment on the rows by category, by the population stability index.

    values: category -> rows of each hour of `past`. A failed index is above `high`, one of two limits.
    """
    if past.now == HOLIDAY:
        return Judgment("none", nan, why="a holiday")
    weeks = _same_hours(past, values)
    if len(weeks) < MIN_WEEKS:
        return Judgment("none", nan, why=FEW_WEEKS)
    rows = [sum(each.values()) for each in weeks]
    if min(sum(observed.values()), float(np.median(rows))) < MIN_ROWS["share"]:
        return Judgment("none", nan, why=f"fewer than {MIN_ROWS['share']} rows")
    index = stability_index([_shares(each) for each in weeks], _shares(observed))
    limit = INDEX_FAILURE if index > INDEX_FAILURE else INDEX_WARNING
    return Judgment("failed" if index > INDEX_WARNING else "passed", index, 0.0, 0.0, limit)


def _same_hours(past: Past, values: Sequence[Counts]) -> list[Counts]:
    """The rows by category of the same hour of the week in the four weeks before now."""
    places = past.weeks(np.arange(len(values), dtype=float))[:, 0]
    found = [values[int(place)] for place in places if not np.isnan(place)]
    return [counts for counts in found if sum(counts.values())]


def _shares(counts: Counts) -> dict[str, float]:
    rows = sum(counts.values())
    return {category: count / rows for category, count in counts.items()}


def stability_index(weeks: list[dict[str, float]], observed: Mapping[str, float]) -> float:
    """The population stability index of shares against the median shares of some weeks."""
    categories = {name for week in weeks for name in week}
    medians = {name: float(np.median([week.get(name, 0.0) for week in weeks])) for name in categories}
    largest = sorted(medians, key=lambda name: (-medians[name], name))[:CATEGORIES]
    other = float(np.median([1 - sum(week.get(name, 0.0) for name in largest) for week in weeks]))
    pairs = [(medians[name], observed.get(name, 0.0)) for name in largest]
    pairs.append((other, 1 - sum(now for _, now in pairs)))
    floored = [(max(before, FLOOR), max(now, FLOOR)) for before, now in pairs]
    return sum((now - before) * log(now / before) for before, now in floored)
