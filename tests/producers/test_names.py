"""An unknown name gets the field that it most likely means, and no field twice."""

from __future__ import annotations

import pytest

from etl.producers.names import nearest
from etl.subjects.feed.events import IMPRESSIONS

FIELDS = [field.name for field in IMPRESSIONS.fields]


def test_a_log_with_other_names_is_understood() -> None:
    theirs = ["item_id", "model_id", "position", "score", "ts", "user_id"]
    assert nearest(theirs, IMPRESSIONS, [name for name in FIELDS if name != "surface"]) == {
        "item_id": "post_id", "model_id": "ranker_model_id", "position": "feed_position", "score": "predicted_score",
        "ts": "impression_ts", "user_id": "viewer_id",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("unknown", "absent", "wanted"),
    [
        ("Viewer_ID", [], "viewer_id"),
        ("viewerid", ["viewer_id"], "viewer_id"),
        ("country", ["viewer_id", "post_id"], None),
        ("viewr_id", [], None),
    ],
)
def test_only_an_absent_field_that_is_alike_is_suggested(unknown: str, absent: list[str], wanted: str | None) -> None:
    assert nearest([unknown], IMPRESSIONS, absent) == {unknown: wanted}
