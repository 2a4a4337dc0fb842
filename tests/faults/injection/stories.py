"""The stories of fault injection: a command on a small lake, its landed files, and checks after its second run."""

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
    """Land the files of a lake before any command: three people, two posts."""
    people = (VIEWER, *OTHERS)
    land(settings, "shares", 8, "a.jsonl", [share(n, p, 8) for n, p in enumerate(people, 1)])
    land(settings, "shares", 10, "a.jsonl", [share(10 + n, p, 10) for n, p in enumerate(people, 1)])
    land(settings, "posts", 8, "a.jsonl", [post(1, 1, 1), post(2, CREATOR, 1)])


def land_more(settings: Settings) -> None:
    """Land late files: a new share of an old hour, and a post with a new creator."""
    land(settings, "shares", 10, "late.jsonl", [share(99, OTHERS[0], 8)])
    land(settings, "posts", 10, "a.jsonl", [post(1, 2, 9)])


def command(settings: Settings, *words: str) -> str:
    """Run a command in this process. Returns the text of its FeedEtlError, or an empty text. Raises any other error."""
    options = ["--lake", settings.lake, "--landing", settings.landing]
    try:
        cli.app([*options, *words], standalone_mode=False)
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
    """Start a backfill, or resume the one that the fault interrupted."""
    found = [b.id for b in Register(spark, files.absolute(settings.lake)).all() if b.in_flight]
    given = (
        ["--resume", found[0]]
        if found
        else [*INTERVAL, "--owner", "tests", "--reason", "faults", "--table", "fct_shares"]
    )
    return command(settings, "backfill", "run", *given, "--accept-changes")


def content(spark: SparkSession, settings: Settings) -> Content:
    """Row counts and checksums of every existing table, computed from the tables, without the paths of landed files."""
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
    """Hours whose checksum in the ledger differs from the table."""
    ledger = runner.open_context(spark, settings).ledger
    found = []
    for name in TABLES:
        table = catalog.entry(name).table
        uri = views.uri(settings, table)
        if not table.hour or name == "quarantine" or not delta.is_table(spark, uri):
            continue
        current = {h: (c.rows, c.checksum) for h, c in checksums.by_hour(delta.read(spark, uri), table).items()}
        known = {h: (s["row_count"], s["checksum"]) for h, s in ledger.state(name).items() if s["row_count"]}
        if known != current:
            found.append(f"{name}: the ledger has {known}, the table has {current}")
    return found


def nothing_due(spark: SparkSession, settings: Settings) -> list[str]:
    """Tables that a further run writes, and its errors. Both must be empty."""
    again = runner.run(spark, settings, START, END, tables=list(TABLES))
    return [f"a further run writes {e.table_name}" for e in again.entries] + [str(e) for e in again.errors.values()]


def traces(_spark: SparkSession, settings: Settings) -> list[str]:
    """Files of lake and landing zone that still contain the id of the erased viewer."""
    from support import traces as search

    return [f"{file} contains the erased viewer" for file in search.of(VIEWER, settings.lake, settings.landing)]


def creator_traces(_spark: SparkSession, settings: Settings) -> list[str]:
    """Files of lake and landing zone that still contain the id of the erased creator."""
    from support import traces as search

    return [f"{file} contains the erased creator" for file in search.of(CREATOR, settings.lake, settings.landing)]


def in_flight(spark: SparkSession, settings: Settings) -> list[str]:
    """Backfills that are not finished."""
    return [f"{b.id} is {b.state}" for b in Register(spark, files.absolute(settings.lake)).all() if b.in_flight]


@dataclass(frozen=True)
class Story:
    """A command, whether late files land before it, and checks besides content and ledger."""

    name: str
    act: Callable[[SparkSession, Settings], str]
    late: bool = False
    checks: tuple[Callable[[SparkSession, Settings], list[str]], ...] = (nothing_due,)

    def faults(self, spark: SparkSession, settings: Settings, wanted: Content) -> Iterator[str]:
        """Everything that is wrong after the command ran again without a fault."""
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
    """Tables that cannot be read right after the fault, or that have neither their old nor their new content."""
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
    """Clear what this process caches about a lake, so that tries are independent."""
    with suppress(Exception):
        getattr(spark._jvm, DELTA_LOG).clearCache()
