"""Tests the texts of errors that commands share."""

from __future__ import annotations

from etl.errors import no_such


def test_an_unknown_name_is_answered_with_the_names_that_are_like_it() -> None:
    assert str(no_such("event", "sharez", ["shares", "posts"])) == (
        "There is no event 'sharez'. Did you mean `shares`? Events: shares, posts."
    )


def test_an_unknown_name_like_no_other_is_answered_with_all_names() -> None:
    assert str(no_such("owner", "xyz", ["ads", "content"])) == "There is no owner 'xyz'. Owners: ads, content."
