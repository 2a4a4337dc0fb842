"""The person a row is about: a viewer (in ads: a user) or a creator.

`viewer_id` (feed) and `user_id` (ads) are ids of the same person.

Erasure keeps an erased person's rows of facts and posts, so that totals do not change. It writes a replacement id in
place of the person's id. Replacement ids are smaller than every id of a person.

In the feed, each post (or impression) gets its own replacement id, so that nobody can link what a person did on
different posts. In ads, a user gets one replacement id: attribution joins conversions to clicks by it, and computing
a day again must give the same credit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

REPLACEMENT_IDS_BELOW = -(2**62)
ANY = "any"
"""The privacy class of a column that may hold personal data of whoever the row names, in any role."""
PERSON = f"viewer_id >= {REPLACEMENT_IDS_BELOW}"
"""SQL predicate of rows about a person who is not erased. Tables with a row per viewer keep only these rows."""


@dataclass(frozen=True)
class Role:
    """The role a person has in a row: viewer or creator.

    classes: the privacy classes of the columns that hold personal data of this role.
    ids: each column that may hold the person's id, with the columns a replacement id may be derived from. The first of
    them that a table has is used. A table without any of them only describes the person, so erasure deletes the row.
    """

    name: str
    classes: tuple[str, ...]
    ids: dict[str, tuple[str, ...]] = field(hash=False)

    def column(self, names: Iterable[str]) -> str | None:
        """The column that holds the person's id, among the columns of a table; None when there is none."""
        present = set(names)
        return next((name for name in self.ids if name in present), None)

    def by(self, names: Iterable[str]) -> str | None:
        """The column a replacement id is derived from, among the columns of a table; None when there is none."""
        present = set(names)
        return next((name for name in self.ids.get(self.column(present) or "", ()) if name in present), None)

    def namespace(self, name: str) -> str:
        """The namespace of a keyed hash. A viewer and a creator with equal ids are two people."""
        return name if self == VIEWER else f"{name} {self.name}"


VIEWER = Role(
    "viewer",
    ("viewer",),
    {"viewer_id": ("post_id", "original_post_id", "impression_id"), "user_id": ("user_id",)},
)
CREATOR = Role("creator", ("creator", "text"), {"creator_id": ("post_id",)})
ROLES = (VIEWER, CREATOR)


def viewer_column(names: Iterable[str]) -> str | None:
    """The column that holds a viewer's id, among the columns of a table; None when there is none."""
    return VIEWER.column(names)
