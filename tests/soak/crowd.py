"""A run, a backfill, maintenance and a reader at once: nothing lost, doubled or mixed, and nobody sees half a thing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

from pyspark.sql import SparkSession
from soak import shares
from support.local_lake import END, START

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.sql import views
from etl.errors import ConflictError
from etl.operations.backfill import driver as backfills
from etl.operations.backfill import request
from etl.operations.maintenance import driver as maintenance

Part = Callable[[SparkSession], list[str]]
PAUSE = 0.3  # seconds between two looks of the reader, who would have most of the machine otherwise


def rounds(spark: SparkSession, settings: Settings, count: int) -> Iterator[list[str]]:
    """What was wrong in each round; a ConflictError is not: who was refused runs again, by itself or as a backfill."""
    settings = _restless(settings)
    for _ in range(count):
        for _ in range(3):
            shares.land(settings, len(shares.landed(settings)) + 1)
        found = _at_once(spark, settings)
        for backfill in backfills.open_lake(spark, settings)[1].all():
            if backfill.in_flight:
                backfills.go_on(spark, settings, backfill.id, accept=True)
        yield [*found, *shares.losses(spark, settings)]


def _restless(settings: Settings) -> Settings:
    """Maintenance leaves no hour alone: what a run adds to an hour is compacted at once."""
    keeping = settings.maintenance.model_copy(update={"quiet_hours": 0})
    return settings.model_copy(update={"maintenance": keeping})


def _at_once(spark: SparkSession, settings: Settings) -> list[str]:
    over = threading.Event()
    parts: list[Part] = [
        lambda own: [str(e) for e in shares.run(own, settings).errors.values() if not isinstance(e, ConflictError)],
        lambda own: _backfill(own, settings),
        lambda own: _maintain(own, settings),
    ]
    with ThreadPoolExecutor(len(parts) + 1) as pool:
        reader = pool.submit(_apart, spark, lambda own: _read(own, settings, over))
        others: list[Future[list[str]]] = [pool.submit(_apart, spark, part) for part in parts]
        wait(others)
        over.set()
        return [said for each in (*others, reader) for said in each.result()]


def _apart(spark: SparkSession, part: Part) -> list[str]:
    """In a session of its own; whatever it raises is something wrong."""
    own = spark.newSession()
    delta.activate(own)
    try:
        return part(own)
    except ConflictError:
        return []
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def _backfill(spark: SparkSession, settings: Settings) -> list[str]:
    made = request.make((START, END), ["fct_shares"], "all", None)
    declared = backfills.declare(spark, settings, made, "soak", "all of it")
    if declared:
        backfills.go_on(spark, settings, declared.id, accept=True)
    return []


def _maintain(spark: SparkSession, settings: Settings) -> list[str]:
    maintenance.maintain(spark, settings, END, dry_run=False)
    return []


def _read(spark: SparkSession, settings: Settings, over: threading.Event) -> list[str]:
    """Each look sees every share that an earlier look saw, and each once."""
    seen: set[int] = set()
    while not over.wait(PAUSE):
        rows = delta.read(spark, views.uri(settings, shares.FACTS)).select("share_id").collect()
        ids = {row[0] for row in rows}
        if len(ids) != len(rows) or not seen <= ids:
            return [f"a reader saw {len(rows)} rows of {len(ids)} shares after {len(seen)}"]
        seen = ids
    return []
