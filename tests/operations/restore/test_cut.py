"""Which commits are taken back so that no table keeps a row made from what another one loses. Without Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from etl import catalog
from etl.engine.state import restores
from etl.engine.state.entry import Entry
from etl.operations.restore.cut import Cut
from etl.operations.restore.timeline import Commit, Timeline

START = datetime(2026, 6, 1, 10, tzinfo=UTC)
FACT, BRONZE, ROLLUP = "fct_shares", "bronze_shares", "agg_ingest_hourly"


def timeline(name: str, *made_from: Mapping[str, int], **state: Any) -> Timeline:
    """A table whose version n (from 1 on) was made from these versions of its inputs, n minutes after START."""
    commits = [Commit(0, START, None)]
    for version, inputs in enumerate(made_from, 1):
        at = START + version * timedelta(minutes=1)
        entry = Entry(f"run-{version}", name, at, input_versions=dict(inputs), output_version=version)
        commits.append(Commit(version, at, entry))
    fields = {"live": {}, "on_disk": set()} | state
    return Timeline(catalog.entry(name).table, "id", len(made_from), tuple(commits), **fields)


def consistent(timelines: Sequence[Timeline], **versions: int) -> dict[str, int]:
    """The consistent versions at or below the given ones; of other tables, at or below the newest ones."""
    by_name = {line.table.name: line for line in timelines}
    newest = {name: line.newest for name, line in by_name.items()}
    cut = Cut(by_name, lambda _table, _id: True, "quarantine", newest | versions)
    cut.make_consistent()
    return cut.versions


def test_what_was_made_from_a_lost_version_is_taken_back_along_the_lineage() -> None:
    bronze = timeline(BRONZE, {}, {}, {})
    fact = timeline(FACT, {BRONZE: 1}, {BRONZE: 2}, {BRONZE: 3})
    rollup = timeline(ROLLUP, {FACT: 1}, {FACT: 3})
    assert consistent([bronze, fact, rollup]) == {BRONZE: 3, FACT: 3, ROLLUP: 2}
    assert consistent([rollup, fact, bronze], **{BRONZE: 2}) == {BRONZE: 2, FACT: 2, ROLLUP: 1}
    assert consistent([bronze, fact, rollup], **{FACT: 2}) == {BRONZE: 3, FACT: 2, ROLLUP: 1}


def test_an_hour_whose_quarantined_records_are_missing_is_taken_back() -> None:
    """The copy of quarantine lacks the commit of the second run."""
    bronze, quarantine = timeline(BRONZE, {}, {}), timeline("quarantine", {})
    for commit in bronze.commits[1:]:
        assert commit.entry
        commit.entry.records_quarantined = 1
    assert consistent([bronze, quarantine]) == {BRONZE: 1, "quarantine": 1}
    assert consistent([bronze, timeline("quarantine", {}, {})])[BRONZE] == 2


def test_versions_that_a_restore_took_back_do_not_count() -> None:
    assert restores.history(6, {4: 1, 6: 5}) == {0, 1, 4, 5, 6}
    assert restores.history(3, {4: 1, 6: 5}) == {0, 1, 2, 3}
    assert restores.history(-1, {}) == set()


def test_a_table_reaches_back_as_far_as_its_files_exist() -> None:
    """Version 2 replaced file a by b, version 3 replaced b by c. Then b was removed from the disk."""
    line = timeline(BRONZE, {}, {}, {}, live={"c": None}, on_disk={"a", "c"})
    changes = [({}, {}), ({"a": None}, {}), ({"b": None}, {"a": None}), ({"c": None}, {"b": None})]
    commits = tuple(
        Commit(c.version, c.at, c.entry, added, removed)
        for c, (added, removed) in zip(line.commits, changes, strict=True)
    )
    line = Timeline(line.table, "id", 3, commits, {"c": None}, {"a", "c"})
    assert line.oldest == 3 and line.reaches_back_to == START + timedelta(minutes=3)
    whole = Timeline(line.table, "id", 3, commits, {"c": None}, {"a", "b", "c"})
    assert whole.oldest == 0 and whole.reaches_back_to is None


def test_files_of_hours_that_retention_removed_are_not_missed() -> None:
    old, kept = "2026-05-01T10:00:00.000000Z", "2026-06-01T10:00:00.000000Z"
    commits = (Commit(0, START, None), Commit(1, START, None, {}, {"a": old}), Commit(2, START, None, {}, {"b": kept}))
    line = Timeline(catalog.entry(BRONZE).table, "id", 2, commits, {}, {"b"}, datetime(2026, 5, 2, tzinfo=UTC))
    assert line.oldest == 0
    assert Timeline(line.table, "id", 2, commits, {}, {"b"}).oldest == 1


def test_a_time_chooses_the_version_that_was_the_newest_one_then() -> None:
    line = timeline(FACT, {}, {})
    seconds = timedelta(seconds=30)
    assert [line.at(START + n * timedelta(minutes=1) + seconds) for n in range(3)] == [0, 1, 2]
    assert line.at(START - seconds) == 0 and line.at(None) == 2
