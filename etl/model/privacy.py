"""Who a row is about: a person as a viewer (in ads: a user), or as a creator.

An erased person's rows of facts and posts stay, so that totals stay; a replacement id takes the person's place.

Replacement ids lie below every id that means a person. In the feed one stands for a person on one post (or one
impression), so what a person did on different posts cannot be put together again. In ads one stands for a user: an
outcome finds the clicks it is owed to by it, and a day made again must give the same credit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

REPLACEMENT_IDS_BELOW = -(2**62)
PERSON = f"viewer_id >= {REPLACEMENT_IDS_BELOW}"
"""Predicate of rows about a person. What is told per viewer leaves all others out."""


@dataclass(frozen=True)
class Role:
    """What a person is to a row: the privacy classes of the columns that say something of them, and their ids.

    ids: each column that holds the id, and what a replacement id is made with: the first of these that a row has. A row
    that has none of them says nothing but what the person is, and goes.
    """

    name: str
    classes: tuple[str, ...]
    ids: dict[str, tuple[str, ...]] = field(hash=False)

    def column(self, names: Iterable[str]) -> str | None:
        """The one of a row's columns that holds the id."""
        there = set(names)
        return next((name for name in self.ids if name in there), None)

    def by(self, names: Iterable[str]) -> str | None:
        """The one of a row's columns that a replacement id is made with."""
        there = set(names)
        return next((name for name in self.ids.get(self.column(there) or "", ()) if name in there), None)

    def namespace(self, name: str) -> str:
        """Of a keyed hash: equal ids of a viewer and of a creator are two people."""
        return name if self == VIEWER else f"{name} {self.name}"


VIEWER = Role(
    "viewer",
    ("viewer",),
    {"viewer_id": ("post_id", "original_post_id", "impression_id"), "user_id": ("user_id",)},
)
CREATOR = Role("creator", ("creator", "text"), {"creator_id": ("post_id",)})
ROLES = (VIEWER, CREATOR)


def viewer_column(names: Iterable[str]) -> str | None:
    """The one of a row's columns that holds a viewer's id."""
    return VIEWER.column(names)
