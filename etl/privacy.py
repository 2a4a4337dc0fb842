"""Who a row is about. An erased viewer's rows stay, so that totals stay; a stand-in takes the viewer's place.

Stand-ins lie below every id that means a person. In the feed one stands for a viewer on one post (or one impression),
so what a person did on different posts cannot be put together again. In ads one stands for a user: an outcome finds
the clicks it is owed to by it, and a day made again must give the same credit.
"""

from collections.abc import Iterable

STAND_INS_BELOW = -(2**62)
PERSON = f"viewer_id >= {STAND_INS_BELOW}"
"""Predicate of rows about a person. What is told per viewer leaves all others out."""
STAND_IN_BY = {"viewer_id": ("post_id", "original_post_id", "impression_id"), "user_id": ("user_id",)}
"""Columns with a viewer's id, and what its stand-in is made with: the first of these that a row has."""


def viewer_column(names: Iterable[str]) -> str | None:
    """The one of a row's columns that holds a viewer's id."""
    return next((name for name in STAND_IN_BY if name in list(names)), None)


def by_column(names: Iterable[str]) -> str | None:
    """The one of a row's columns that a stand-in is made with."""
    wanted = STAND_IN_BY.get(viewer_column(names) or "", ())
    return next((name for name in wanted if name in list(names)), None)
