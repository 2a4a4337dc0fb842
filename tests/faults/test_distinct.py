"""Which file-system calls count as equal when `--distinct` fails one of them."""

from __future__ import annotations

import pytest
from faults.injection import callers
from faults.injection.__main__ import distinct
from faults.injection.calls import Call

from etl.engine.spark import files


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("open /lake/facts/fct_shares/_delta_log/#.json", "open /lake/facts/TABLE/_delta_log/#.json"),
        ("create /lake/bronze/bronze_posts/landed_hour=2026-06-01 08%3A00%3A00/part-#.parquet",
         "create /lake/bronze/TABLE/PARTITION/part-#.parquet"),
        ("list /landing/shares/hour=2026-06-01T10", "list /landing/EVENT/HOUR"),
        ("python open /landing/shares/hour=2026-06-01T10/late.jsonl", "python open /landing/EVENT/HOUR/FILE"),
        ("open /landing/shares/hour=2026-06-01T10/_erasing.json", "open /landing/EVENT/HOUR/_erasing.json"),
        ("status /landing/_owner.json", "status /landing/_owner.json"),
        ("open /lake/_ledger/_delta_log/#.json", "open /lake/_ledger/_delta_log/#.json"),
    ],
)  # fmt: skip
def test_the_class_of_a_call_has_no_names_of_tables_events_and_hours(kind: str, wanted: str) -> None:
    assert callers.class_of(kind) == wanted


def test_of_equal_calls_the_first_one_fails() -> None:
    """The same call by another function is another one, and so is another operation."""
    first = Call("open /lake/facts/fct_shares/a", 1, "files.exists < land.run")
    other_table, other_caller = first._replace(kind="open /lake/facts/fct_likes/a"), first._replace(nth=2, caller="x")
    other_operation = first._replace(kind="delete /lake/facts/fct_shares/a")
    assert distinct([first, other_table, other_caller, other_operation]) == [first, other_caller, other_operation]


def test_a_caller_is_a_function_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "path_of", lambda *_: pytest.fail(callers.caller()))
    with pytest.raises(pytest.fail.Exception, match=r"^files\.exists$"):
        files.exists(None, "file:/x")  # type: ignore[arg-type]
