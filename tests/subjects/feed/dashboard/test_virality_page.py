"""The share tree of a post, data that forms no tree, and the page in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.browser import opened
from support.made_up import HOSTILE
from support.rows import at

from etl.errors import ConfigError, LakeError
from etl.reports import pages
from etl.subjects.feed.dashboard import share_tree, virality
from etl.subjects.feed.dashboard.share_tree import Tree, grow

Row = dict[str, Any]


def share(original: int, shared: int, when: str = "10:00") -> Row:
    """One share. Its id is the id of the post that it makes."""
    return {
        "share_id": shared,
        "original_post_id": original,
        "shared_post_id": shared,
        "share_ts": at(when),
        "channel": None,
    }


def tree(*shares: Row) -> Tree:
    """The tree of post 1."""
    return Tree(grow(1, lambda posts: [s for s in shares if s["original_post_id"] in posts]), at("08:00"))


SPREAD = (
    share(1, 11, "09:10"), share(1, 12, "09:20"), share(1, 13, "12:30"),
    share(11, 111, "09:40"), share(11, 112, "12:10"), share(111, 1111, "12:50"), share(7, 71),
)  # fmt: skip


def test_depth_breadth_and_reshare_factor() -> None:
    r"""1 - 11 - 111 - 1111, 1 - 11 - 112, 1 - 12, 1 - 13: depth 3, breadth 3, and 3 of 6 shares are reshares."""
    found = tree(*SPREAD)

    assert [[n.post_id for n in level] for level in found.levels] == [[1], [11, 12, 13], [111, 112], [1111]]
    assert (found.depth, found.breadth, found.reshare_factor) == (3, 3, 0.5)


def test_an_hour_without_shares_counts_zero() -> None:
    assert tree(*SPREAD).by_hour == {at("09:00"): 3, at("10:00"): 0, at("11:00"): 0, at("12:00"): 3}


def test_a_post_without_shares_has_no_reshare_factor() -> None:
    found = tree()

    assert (found.depth, found.breadth, found.reshare_factor, found.by_hour) == (0, 0, None, {})


@pytest.mark.parametrize("back_to", [1, 11, 111])
def test_a_cycle_raises_an_error_that_names_the_closing_share(back_to: int) -> None:
    closing = share(111, back_to) | {"share_id": 5}

    with pytest.raises(LakeError, match=rf"Share 5 makes post {back_to} of post 111"):
        tree(share(1, 11), share(11, 111), closing)


def test_two_shares_that_make_the_same_post_raise_an_error() -> None:
    with pytest.raises(LakeError, match="post 2 is in the tree already"):
        tree(share(1, 2), share(1, 2))


def test_a_tree_that_is_too_large_raises_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_tree, "MAX_POSTS", 3)

    with pytest.raises(ConfigError, match="more than 3 shares"):
        tree(*SPREAD)


def test_the_page_shows_the_numbers_and_marks_deleted_posts(tmp_path: Path) -> None:
    """A hostile handle is escaped, nothing is fetched, and the console stays empty."""
    found = tree(*SPREAD)
    found.levels[1][1].is_deleted, found.root.handle = True, HOSTILE

    with opened(pages.write(virality.page(found), tmp_path / "post.html")) as seen:
        assert (seen.tile("depth"), seen.tile("breadth"), seen.tile("reshare-factor")) == (3, 3, 0.5)
        assert seen.tile("per-hour") == 1.5
        assert HOSTILE in seen.page.locator("header").inner_text()
        assert seen.page.locator("script").count() == 0
        deleted = seen.page.locator("tr", has=seen.page.locator("td", has_text="deleted")).locator("th[scope=row]")
        assert deleted.all_inner_texts() == ["12"]
        assert seen.complaints == [] and len(seen.requests) == 1


def test_a_long_chain_is_drawn(tmp_path: Path) -> None:
    """A chain of a thousand shares does not exhaust the recursion limit."""
    found = tree(*[share(i, i + 1, f"10:{i // 60:02}:{i % 60:02}") for i in range(1, 1001)])

    assert found.depth == 1000
    assert "1000 levels" in virality.page(found)
