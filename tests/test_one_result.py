"""One result, whatever the order and the way in: unequal records of a key, in every order of landed hours.

The oracle is the specification (feed.md, section 4) in plain Python, over the landed records themselves.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lakes import uri
from places import place
from pyspark.sql import SparkSession
from rows import at

from etl import catalog
from etl.backfill import driver, request
from etl.conf import Settings
from etl.engine import checksums, delta, runner
from etl.engine.ledger import CONTRADICTIONS, CORRECTIONS, Entry

Record = dict[str, Any]
Landed = dict[int, list[Record]]  # hour of 1 June (24 and more: of the days after) -> records

DAY = datetime(2026, 6, 1, tzinfo=UTC)


def share(number: int, clock: str = "08:15", **given: Any) -> Record:
    record = {"share_id": number, "original_post_id": 1, "shared_post_id": 1000, "viewer_id": 7, "channel": "link"}
    return record | {"share_ts": at(clock)} | given


SHARES: Landed = {
    10: [
        share(1),
        share(2, channel="b"), share(2, channel="a"),  # of one hour the smaller text stands
        share(3, "09:15"),  # told of again with another time: one row all the same
        share(4, channel=None), share(4, channel="sms"),
        share(5), share(5),  # equal records are no contradiction
        share(6, viewer_id=9), share(6, viewer_id=10),  # as text: "10" comes before "9"
        share(8, "08:15:00.5"),
    ],
    11: [share(1, channel="sms"), share(3), share(5), share(8), share(9, channel="é"), share(9, channel="z")],
    12: [share(1, channel="a"), share(3, "11:15"), share(6), share(7), share(8, "08:15:00.500001")],
}  # fmt: skip
CONTRADICTED = {1, 2, 3, 4, 6, 8, 9}


def land(settings: Settings, event: str, landed: Landed) -> Settings:
    """Write records below the hours they land in."""
    for hour, records in landed.items():
        folder = Path(settings.landing) / event / f"hour={DAY + timedelta(hours=hour):%Y-%m-%dT%H}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps(_plain(r)) for r in records)
        (folder / "a.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return settings


def _plain(record: Record) -> Record:
    def plain(value: Any) -> Any:
        if isinstance(value, date):
            return value.isoformat()
        return value

    return {k: plain(v) for k, v in record.items() if v is not None}


def standing(landed: Landed, *key: str) -> list[Record]:
    """The record of each key with the smallest (landed hour, canonical text)."""
    best: dict[tuple[Any, ...], tuple[int, str, Record]] = {}
    for hour, records in landed.items():
        for record in records:
            one = (hour, canonical(record), record)
            identity = tuple(record[k] for k in key)
            best[identity] = min(best.get(identity, one), one, key=lambda o: o[:2])
    return [record for _, _, record in best.values()]


def canonical(record: Record) -> str:
    def value(v: Any) -> Any:
        return v.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(v, datetime) else v

    return json.dumps(
        {k: value(v) for k, v in record.items()}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def run(spark: SparkSession, settings: Settings, first: int, end: int, fact: str, **more: Any) -> list[Entry]:
    """The fact's own rows of the ledger for landed hours [first, end)."""
    span = DAY + timedelta(hours=first), DAY + timedelta(hours=end)
    tables = [*(t.name for t in catalog.upstream(catalog.entry(fact).table)), fact]
    summary = runner.run(spark, settings, *span, tables, **more)
    assert not summary.errors, summary.errors
    return [e for e in summary.entries if e.table_name == fact]


def rows(spark: SparkSession, settings: Settings, fact: str) -> list[Record]:
    found = delta.read(spark, uri(settings, fact)).collect()
    return sorted((r.asDict() for r in found), key=str)


def state(spark: SparkSession, settings: Settings, fact: str) -> dict[datetime, tuple[int, str]]:
    """Hour -> rows and checksum by the ledger, which the table itself must agree with; empty hours left out."""
    known = runner.open_work(spark, settings).ledger.state(fact)
    held = {h: (s["row_count"], s["checksum"]) for h, s in known.items() if s["row_count"]}
    there = checksums.by_hour(delta.read(spark, uri(settings, fact)), catalog.entry(fact).table)
    assert held == {h: (c.rows, c.checksum) for h, c in there.items()}
    return held


def corrections(entries: Iterable[Entry]) -> int:
    return int(sum(e.metrics.get(CORRECTIONS, 0) for e in entries))


def backfilled(spark: SparkSession, settings: Settings, fact: str, hours: tuple[int, int]) -> set[str]:
    """Rebuild a fact without accepting changes; returns the hours that came out different."""
    span = DAY + timedelta(hours=hours[0]), DAY + timedelta(hours=hours[1])
    made = driver.declare(spark, settings, request.make(span, [fact], "all", None), "ana", "check", yes=True)
    assert made
    assert driver.go_on(spark, settings, made.id).state == "done"
    return {f"{d.hour:%dT%H}" for d in driver.differences(spark, settings, made.id) if d.changed}


ORDERS = [
    pytest.param(order, id="-".join(map(str, order)), marks=[] if i in (0, 5) else [pytest.mark.slow])
    for i, order in enumerate(itertools.permutations(sorted(SHARES)))
]


@pytest.fixture(scope="module")
def at_once(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """All hours of shares in one run."""
    settings = land(place(tmp_path_factory.mktemp("at-once")), "shares", SHARES)
    (entry,) = run(spark, settings, 10, 13, "fct_shares")
    assert entry.metrics[CONTRADICTIONS] == len(CONTRADICTED)
    assert entry.metrics[CORRECTIONS] == 0
    assert "records_of_a_key_are_equal" in entry.failures and '"warning"' in entry.failures
    return settings


def test_the_smallest_of_landed_hour_and_text_stands(spark: SparkSession, at_once: Settings) -> None:
    names = list(share(1))
    found = [{n: r[n] for n in names} for r in rows(spark, at_once, "fct_shares")]
    expected = [r | {"share_ts": r["share_ts"].replace(tzinfo=None)} for r in standing(SHARES, "share_id")]
    assert sorted(found, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize("order", ORDERS)
def test_any_order_of_hours_ends_with_the_rows_of_one_run(
    spark: SparkSession, settings: Settings, at_once: Settings, order: tuple[int, ...]
) -> None:
    """Rows, checksums in the ledger, and as many corrections as published rows were replaced."""
    land(settings, "shares", SHARES)
    published, replaced, entries = dict[int, str](), 0, []
    for i, hour in enumerate(order):
        entries += run(spark, settings, hour, hour + 1, "fct_shares")
        stand = {r["share_id"]: canonical(r) for r in standing({h: SHARES[h] for h in order[: i + 1]}, "share_id")}
        replaced += sum(published[k] != v for k, v in stand.items() if k in published)
        published = stand
    assert rows(spark, settings, "fct_shares") == rows(spark, at_once, "fct_shares")
    assert state(spark, settings, "fct_shares") == state(spark, at_once, "fct_shares")
    assert corrections(entries) == replaced
    assert run(spark, settings, 10, 13, "fct_shares") == []
    if order == tuple(sorted(order)):
        assert backfilled(spark, settings, "fct_shares", (7, 13)) == set()
