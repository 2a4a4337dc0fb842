"""Who a row is about. An erased viewer's rows stay, so that totals stay; a stand-in takes the viewer's place.

Stand-ins lie below every id that means a person. One stands for a viewer on one post (or one impression), so what a
person did on different posts cannot be put together again.
"""

STAND_INS_BELOW = -(2**62)
PERSON = f"viewer_id >= {STAND_INS_BELOW}"
"""Predicate of rows about a person. What is told per viewer leaves all others out."""
STAND_IN_BY = ("post_id", "original_post_id", "impression_id")
"""What a stand-in is made with, next to the viewer: the first of these columns that a row has."""
