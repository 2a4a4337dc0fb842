"""The commands that calls fail in, each on a small lake: what it is given, and what must be true once it ran again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pyspark.sql import SparkSession
from support.lakes import land
from support.local_lake import END, START

from etl import catalog, cli
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.spark import files
from etl.engine.sql import views
from etl.errors import FeedEtlError
from etl.operations.backfill.register import Register

TABLES = ("bronze_shares", "fct_shares", "quarantine", "bronze_posts", "dim_posts")
INTERVAL = ("--from", "2026-06-01T08", "--to", "2026-06-01T11")
VIEWER, CREATOR, OTHERS = 4711000000017, 4711000000018, (5, 6)
LATER = "2026-07-01T10"
DELTA_LOG = "org.apache.spark.sql.delta.DeltaLog"
Content = dict[str, dict[str, tuple[int, str]]]


def share(number: int, viewer: int, hour: int) -> dict[str, object]:
    at = START.replace(hour=hour).isoformat()
    return {"share_id": number, "original_post_id": 1, "shared_post_id": 2, "viewer_id": viewer, "share_ts": at}


def post(number: int, creator: int, day: int) -> dict[str, object]:
    at = datetime(2026, 5, day, tzinfo=UTC).isoformat()
    return {"post_id": number, "creator_id": creator, "media_type": "photo", "effective_ts": at, "op": "upsert"}


def land_first(settings: Settings) -> None:
    """What a lake is made from before a command is tried: three people, two posts."""
    people = (VIEWER, *OTHERS)
    land(settings, "shares", 8, "a.jsonl", [share(n, p, 8) for n, p in enumerate(people, 1)])
    land(settings, "shares", 10, "a.jsonl", [share(10 + n, p, 10) for n, p in enumerate(people, 1)])
    land(settings, "posts", 8, "a.jsonl", [post(1, 1, 1), post(2, CREATOR, 1)])


def land_more(settings: Settings) -> None:
    """Late files: a new share of an old hour, and a post that changed hands."""
    land(settings, "shares", 10, "late.jsonl", [share(99, OTHERS[0], 8)])
    land(settings, "posts", 10, "a.jsonl", [post(1, 2, 9)])


def command(settings: Settings, *words: str) -> str:
    """Run a command in this process. Returns the error of ours it failed with, empty without; raises any other."""
    place = ["--lake", settings.lake, "--landing", settings.landing]
    try:
        cli.app([*place, *words], standalone_mode=False)
    except FeedEtlError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def run(_spark: SparkSession, settings: Settings) -> str:
    return command(settings, "run", *INTERVAL, *(word for name in TABLES for word in ("--table", name)))


def erase(_spark: SparkSession, settings: Settings) -> str:
    return command(settings, "erase", "--viewer", str(VIEWER), "--reason", "ticket 17")


def erase_creator(_spark: SparkSession, settings: Settings) -> str:
    return command(settings, "erase", "--creator", str(CREATOR), "--reason", "ticket 18")


def maintain(_spark: SparkSession, settings: Settings) -> str:
    return command(settings, "maintain", "--now", LATER, "--yes")


def backfill(spark: SparkSession, settings: Settings) -> str:
    """A new one, or the one that is in flight since the fault."""
    found = [b.id for b in Register(spark, files.absolute(settings.lake)).all() if b.in_flight]
    given = (
        ["--resume", found[0]]
        if found
        else [*INTERVAL, "--owner", "tests", "--reason", "faults", "--table", "fct_shares"]
    )
    return command(settings, "backfill", "run", *given, "--accept-changes")


def content(spark: SparkSession, settings: Settings) -> Content:
    """Rows and checksums of every table that is there, from the tables themselves, wherever its files came from."""
    getattr(spark._jvm, DELTA_LOG).clearCache()
    found: Content = {}
    for name in TABLES:
        table = catalog.entry(name).table
        uri = views.uri(settings, table)
        if delta.is_table(spark, uri):
            rows = delta.read(spark, uri).drop("source_file")
            if table.hour:
                anywhere = replace(table, checksum_skips=(*table.checksum_skips, "source_file"))
                by_hour = checksums.by_hour(delta.read(spark, uri), anywhere)
                found[name] = {str(h): (c.rows, c.checksum) for h, c in by_hour.items()}
            else:
                texts = sorted(str(row) for row in rows.collect())
                found[name] = {"all": (len(texts), "\n".join(texts))}
    return found


def ledger_faults(spark: SparkSession, settings: Settings) -> list[str]:
    """Hours whose checksum in the ledger is not that of the table."""
    ledger = runner.open_context(spark, settings).ledger
    found = []
    for name in TABLES:
        table = catalog.entry(name).table
        uri = views.uri(settings, table)
        if not table.hour or name == "quarantine" or not delta.is_table(spark, uri):
            continue
        there = {h: (c.rows, c.checksum) for h, c in checksums.by_hour(delta.read(spark, uri), table).items()}
        known = {h: (s["row_count"], s["checksum"]) for h, s in ledger.state(name).items() if s["row_count"]}
        if known != there:
            found.append(f"{name}: the ledger says {known}, the table has {there}")
    return found


def nothing_due(spark: SparkSession, settings: Settings) -> list[str]:
    """What a further run finds to do."""
    again = runner.run(spark, settings, START, END, tables=list(TABLES))
    return [f"a further run makes {e.table_name}" for e in again.entries] + [str(e) for e in again.errors.values()]


def traces(_spark: SparkSession, settings: Settings) -> list[str]:
    """Files of lake and landing zone that still name the erased viewer."""
    from support import traces as search

    return [f"{file} names the erased viewer" for file in search.of(VIEWER, settings.lake, settings.landing)]


def creator_traces(_spark: SparkSession, settings: Settings) -> list[str]:
    """The same of the erased creator."""
    from support import traces as search

    return [f"{file} names the erased creator" for file in search.of(CREATOR, settings.lake, settings.landing)]


def in_flight(spark: SparkSession, settings: Settings) -> list[str]:
    """Backfills that did not come to their end."""
    return [f"{b.id} is {b.state}" for b in Register(spark, files.absolute(settings.lake)).all() if b.in_flight]


@dataclass(frozen=True)
class Story:
    """A command, what has landed before it, and what else must hold in the end beside content and ledger."""

    name: str
    act: Callable[[SparkSession, Settings], str]
    late: bool = False
    checks: tuple[Callable[[SparkSession, Settings], list[str]], ...] = (nothing_due,)

    def faults(self, spark: SparkSession, settings: Settings, wanted: Content) -> Iterator[str]:
        """What is not as it must be after the command ran again without a fault."""
        found = content(spark, settings)
        if found != wanted:
            odd = [name for name in {*found, *wanted} if found.get(name) != wanted.get(name)]
            yield f"other content: {[(n, found.get(n), wanted.get(n)) for n in odd]}"
        yield from ledger_faults(spark, settings)
        for check in self.checks:
            yield from check(spark, settings)


STORIES = (
    Story("run", run, late=True),
    Story("erase", erase, checks=(nothing_due, traces)),
    Story("erase-creator", erase_creator, checks=(nothing_due, creator_traces)),
    Story("maintain", maintain, checks=()),
    Story("backfill", backfill, checks=(nothing_due, in_flight)),
)


def readable(spark: SparkSession, settings: Settings, before: Content, after: Content) -> Iterator[str]:
    """Tables that cannot be read right after the fault, or hold neither what they held nor what they will hold."""
    found: Content = {}
    try:
        found = content(spark, settings)
    except Exception as error:
        yield f"a table cannot be read after the fault: {error}"
    for name, hours in found.items():
        for hour in {*hours, *before.get(name, {}), *after.get(name, {})}:
            if hours.get(hour) not in (before.get(name, {}).get(hour), after.get(name, {}).get(hour)):
                yield f"{name} {hour} holds {hours.get(hour)} after the fault"


def tidy(spark: SparkSession) -> None:
    """Nothing that this process remembers of a lake helps or harms the next try."""
    with suppress(Exception):
        getattr(spark._jvm, DELTA_LOG).clearCache()
