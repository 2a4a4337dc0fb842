"""Unequal records of one key give one result, in every order of landed hours and for every kind of run.

The oracle is the specification (feed.md, section 4) in plain Python, applied to the landed records.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from support.lakes import uri
from support.local_lake import local_settings
from support.rows import at

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.state.entry import Entry
from etl.engine.state.shards import all_shards
from etl.operations.backfill import driver, request

Record = dict[str, Any]
Landed = dict[int, list[Record]]  # hour since 1 June 00:00 (24 and more: following days) -> records

DAY = datetime(2026, 6, 1, tzinfo=UTC)


def share(number: int, clock: str = "08:15", **given: Any) -> Record:
    record = {"share_id": number, "original_post_id": 1, "shared_post_id": 1000, "viewer_id": 7, "channel": "link"}
    return record | {"share_ts": at(clock)} | given


SHARES: Landed = {
    10: [
        share(1),
        share(2, channel="b"), share(2, channel="a"),  # in one hour, the smaller text is kept
        share(3, "09:15"),  # a later record has another time: still one row
        share(4, channel=None), share(4, channel="sms"),
        share(5), share(5),  # equal records do not contradict each other
        share(6, viewer_id=9), share(6, viewer_id=10),  # as text: "10" comes before "9"
        share(8, "08:15:00.5"),
    ],
    11: [share(1, channel="sms"), share(3), share(5), share(8), share(9, channel="é"), share(9, channel="z")],
    12: [share(1, channel="a"), share(3, "11:15"), share(6), share(7), share(8, "08:15:00.500001")],
}  # fmt: skip
CONTRADICTED = {1, 2, 3, 4, 6, 8, 9}


def land(settings: Settings, event: str, landed: Landed) -> Settings:
    """Write records to the folders of the hours in which they land."""
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


def first_record(landed: Landed, *key: str) -> list[Record]:
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


def run(spark: SparkSession, settings: Settings, first: int, end: int, *facts: str, **more: Any) -> list[Entry]:
    """Run landed hours [first, end) for some facts and their inputs. Returns the ledger entries of the facts."""
    interval = DAY + timedelta(hours=first), DAY + timedelta(hours=end)
    upstream = [t.name for fact in facts for t in catalog.upstream(catalog.entry(fact).table)]
    summary = runner.run(spark, settings, *interval, [*dict.fromkeys((*upstream, *facts))], **more)
    assert not summary.errors, summary.errors
    return [e for e in summary.entries if e.table_name in facts]


def rows(spark: SparkSession, settings: Settings, fact: str) -> list[Record]:
    found = delta.read(spark, uri(settings, fact)).collect()
    return sorted((r.asDict() for r in found), key=str)


def state(spark: SparkSession, settings: Settings, fact: str) -> dict[datetime, tuple[int, str]]:
    """Row count and checksum per hour from the ledger, checked against the table. Empty hours are left out."""
    known = runner.open_context(spark, settings).ledger.state(fact)
    held = {h: (s["row_count"], s["checksum"]) for h, s in known.items() if s["row_count"]}
    current = checksums.by_hour(delta.read(spark, uri(settings, fact)), catalog.entry(fact).table)
    assert held == {h: (c.rows, c.checksum) for h, c in current.items()}
    return held


def corrections(entries: Iterable[Entry]) -> int:
    return int(sum(e.corrections or 0 for e in entries))


def backfilled(spark: SparkSession, settings: Settings, hours: tuple[int, int], *facts: str) -> set[str]:
    """Rebuild facts without accepting changes. Returns the hours that changed."""
    interval = DAY + timedelta(hours=hours[0]), DAY + timedelta(hours=hours[1])
    made = driver.declare(spark, settings, request.make(interval, [*facts], "all", None), "ana", "check", yes=True)
    assert made
    assert driver.execute(spark, settings, made.id).state == "done"
    return {f"{d.table} {d.hour:%dT%H}" for d in driver.differences(spark, settings, made.id) if d.changed}


ORDERS = [
    pytest.param(order, id="-".join(map(str, order)), marks=[] if i == 5 else [pytest.mark.slow])
    for i, order in enumerate(itertools.permutations(sorted(SHARES)))
]


@pytest.fixture(scope="module")
def at_once(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake with all hours of shares in one run."""
    settings = land(local_settings(tmp_path_factory.mktemp("at-once")), "shares", SHARES)
    (entry,) = run(spark, settings, 10, 13, "fct_shares")
    assert entry.contradictions == len(CONTRADICTED)
    assert entry.corrections == 0
    assert "records_of_a_key_are_equal" in entry.failures and '"warning"' in entry.failures
    return settings


def test_the_record_with_the_smallest_landed_hour_and_text_is_kept(spark: SparkSession, at_once: Settings) -> None:
    assert same(rows(spark, at_once, "fct_shares"), first_record(SHARES, "share_id"))


@pytest.mark.parametrize("order", ORDERS)
def test_any_order_of_hours_gives_the_rows_of_one_run(
    spark: SparkSession, settings: Settings, at_once: Settings, order: tuple[int, ...]
) -> None:
    """Rows and ledger checksums are equal, and the ledger counts one correction per replaced row."""
    land(settings, "shares", SHARES)
    published, replaced, entries = dict[int, str](), 0, []
    for i, hour in enumerate(order):
        entries += run(spark, settings, hour, hour + 1, "fct_shares")
        kept = {r["share_id"]: canonical(r) for r in first_record({h: SHARES[h] for h in order[: i + 1]}, "share_id")}
        replaced += sum(published[k] != v for k, v in kept.items() if k in published)
        published = kept
    assert rows(spark, settings, "fct_shares") == rows(spark, at_once, "fct_shares")
    assert state(spark, settings, "fct_shares") == state(spark, at_once, "fct_shares")
    assert corrections(entries) == replaced
    assert run(spark, settings, 10, 13, "fct_shares") == []
    if order == (12, 11, 10):
        assert backfilled(spark, settings, (7, 13), "fct_shares") == set()


def click(**given: Any) -> Record:
    return {"ad_id": 1, "user_id": 7, "session_id": 70, "click_ts": at("22:30"), "ad_impression_id": 5} | given


def view(number: int, **given: Any) -> Record:
    shown = {"ad_impression_id": number, "user_id": 7, "ad_id": 1, "surface": "feed", "impression_ts": at("22:10")}
    return shown | {"clearing_cpm": 2.5, "spend_micros": 2500, "is_valid": True} | given


def page(clock: str, **given: Any) -> Record:
    return {"user_id": 7, "session_id": 70, "event_name": "view", "event_ts": at(clock)} | given


def bought(number: int, clock: str, day: int = 1, usd: float = 10) -> Record:
    happened = at(clock, day)
    received = max(happened, at("23:30"))
    money = {"value_usd": usd, "received_ts": received}
    return {"conversion_id": number, "user_id": 7, "conversion_ts": happened} | money


ADS: dict[str, Landed] = {
    "ad_clicks": {22: [click()], 24: [click(ad_impression_id=4), click(ad_impression_id=None)], 25: [click()]},
    "ad_impressions": {
        22: [view(1, clearing_cpm=2.5), view(1, clearing_cpm=2.25), view(3, user_id=8), view(4)],
        24: [view(1, clearing_cpm=1.0), view(2, spend_micros=10), view(2, spend_micros=9), view(3, user_id=7)],
        25: [view(2, spend_micros=1), view(4, impression_ts=at("00:10", 2))],
    },
    "page_events": {
        22: [page("22:00", device="EU"), page("22:00", region="EU")],
        24: [page("22:05", region="EU"), page("22:05", device="EU"), page("22:06", region="FR")],
        25: [page("22:05", device="EU", region="EU"), page("22:06", device="FR")],
    },
    "conversions": {
        24: [bought(1, "23:50"), bought(2, "00:05", 2), bought(3, "23:10", usd=9.5), bought(3, "23:10", usd=9.75)],
        25: [bought(1, "00:20", 2), bought(2, "23:40"), bought(3, "23:10", usd=1)],
    },
    "spend_ledger": {
        22: [{"campaign_id": 1, "day": "2026-06-01", "billed_usd": 2.5}],
        24: [{"campaign_id": 1, "day": "2026-06-01", "billed_usd": 1.5, "streaming_usd": 1}],
        25: [{"campaign_id": 2, "day": "2026-06-01", "billed_usd": usd} for usd in (100.5, 100.25)],
    },
}  # fmt: skip
STAGED = {
    "stg_ad_clicks": ("ad_clicks", ("ad_id", "user_id", "session_id", "click_ts")),
    "stg_ad_impressions": ("ad_impressions", ("ad_impression_id",)),
    "stg_page_events": ("page_events", ("user_id", "session_id", "event_name", "event_ts")),
    "stg_conversions": ("conversions", ("conversion_id",)),
    "fct_spend_ledger": ("spend_ledger", ("campaign_id", "day")),
}


def land_ads(settings: Settings) -> Settings:
    for event, landed in ADS.items():
        land(settings, event, landed)
    return settings


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param(("stg_page_events", "stg_conversions"), id="events", marks=pytest.mark.slow),
        pytest.param(("stg_ad_clicks", "stg_ad_impressions", "fct_spend_ledger"), id="money", marks=pytest.mark.slow),
    ],
)
def test_ads_tables_are_the_same_when_hours_run_backwards_over_midnight(
    spark: SparkSession, tmp_path: Path, tables: tuple[str, ...]
) -> None:
    """A key may have hours on two days; numbers are compared as text; NULLs are distinguished."""
    at_once, backwards = (land_ads(local_settings(tmp_path / name)) for name in ("at-once", "backwards"))
    run(spark, at_once, 22, 26, *tables)
    entries = [e for hour in (25, 24, 22) for e in run(spark, backwards, hour, hour + 1, *tables)]
    for table in tables:
        event, key = STAGED[table]
        found = rows(spark, at_once, table)
        assert same(found, first_record(ADS[event], *key)), table
        assert rows(spark, backwards, table) == found
        assert state(spark, backwards, table) == state(spark, at_once, table)
        assert corrections(e for e in entries if e.table_name == table) > 0, table
    assert backfilled(spark, backwards, (20, 26), *tables) == set()


AHEAD: Landed = {
    1: [{"campaign_id": 1, "day": "2026-06-02", "billed_usd": 2.5},
        {"campaign_id": 2, "day": "2026-06-02", "billed_usd": 7}],
    25: [{"campaign_id": 1, "day": "2026-06-02", "billed_usd": 1.5}],
}  # fmt: skip


def test_an_invoice_that_lands_before_its_day_is_kept_in_every_order(spark: SparkSession, tmp_path: Path) -> None:
    """A backfill of the day finds the invoice as well, a day before the rows that it rebuilds."""
    fact = "fct_spend_ledger"
    at_once, backwards = (land(local_settings(tmp_path / name), "spend_ledger", AHEAD) for name in ("once", "back"))
    run(spark, at_once, 1, 26, fact)
    for hour in (25, 1):
        run(spark, backwards, hour, hour + 1, fact)
    for settings in (at_once, backwards):
        assert same(rows(spark, settings, fact), first_record(AHEAD, "campaign_id", "day"))
        assert backfilled(spark, settings, (23, 26), fact) == set()
    assert state(spark, backwards, fact) == state(spark, at_once, fact)


def same(found: list[Record], expected: list[Record]) -> bool:
    """Whether rows and records are equal in every field that any record has."""
    names = sorted({name for record in expected for name in record})
    return sorted(map(str, _values(found, names))) == sorted(map(str, _values(expected, names)))


def _values(records: list[Record], names: list[str]) -> list[list[Any]]:
    def value(v: Any) -> Any:
        if isinstance(v, datetime):
            return v.replace(tzinfo=None).isoformat()
        return float(v) if isinstance(v, int | float | Decimal) else v and str(v)

    return [[value(r.get(name)) for name in names] for r in records]


def act(number: int, post: int, **given: Any) -> Record:
    acted = {"engagement_id": number, "viewer_id": 7, "post_id": post, "event_type": "like", "action": "do"}
    return acted | {"event_ts": at("09:10")} | given


ACTS: Landed = {
    10: [act(1, 1), act(3, 1, viewer_id=8), act(4, 3, viewer_id=9, event_ts=at("09:20"))],
    11: [act(1, 2), act(2, 2, event_ts=at("10:10")), act(4, 3, viewer_id=9, event_ts=at("10:20"))],
    12: [act(2, 1, action="undo", event_ts=at("11:30"), original_ts=at("10:10")), act(3, 2, viewer_id=8)],
}


def test_a_correction_reaches_the_rollups(spark: SparkSession, tmp_path: Path) -> None:
    """After the rollup was published, one like moves to another post, and one to another hour."""
    tables = ("fct_engagements", "agg_post_engagement_hourly")
    at_once, backwards = (
        land(local_settings(tmp_path / name), "engagements", ACTS) for name in ("at-once", "backwards")
    )
    run(spark, at_once, 10, 13, *tables)
    entries = [e for hour in (12, 11, 10) for e in run(spark, backwards, hour, hour + 1, *tables)]
    assert corrections(entries) == 4
    for table in tables:
        assert rows(spark, backwards, table) == rows(spark, at_once, table)
        assert state(spark, backwards, table) == state(spark, at_once, table)


@pytest.mark.slow
def test_runs_of_shards_give_the_same_rows(spark: SparkSession, tmp_path: Path) -> None:
    """Records of one impression name users of two shards: the kept record removes the row of the other one."""
    views = {10: [view(n, user_id=n, impression_ts=at("09:10")) for n in range(1, 9)]}
    views[11] = [record | {"user_id": record["user_id"] + 1} for record in views[10]]
    tables = ("stg_ad_impressions", "fct_ad_impressions")
    at_once, sharded = (
        land(local_settings(tmp_path / name), "ad_impressions", views) for name in ("at-once", "sharded")
    )
    run(spark, at_once, 10, 12, *tables)
    for hour in (11, 10, 11):
        for shard in all_shards(2):
            run(spark, sharded, hour, hour + 1, *tables, shard=shard)
    for table in tables:
        assert rows(spark, sharded, table) == rows(spark, at_once, table)
        assert state(spark, sharded, table) == state(spark, at_once, table)
