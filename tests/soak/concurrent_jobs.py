"""A run, a backfill, maintenance and a reader at the same time: nothing is lost or duplicated, reads are consistent."""

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
PAUSE = 0.3  # seconds between two reads; without a pause, the reader would use most of the machine


def rounds(spark: SparkSession, settings: Settings, count: int) -> Iterator[list[str]]:
    """The losses of each round. A ConflictError is not a loss: the refused job runs again, alone or as a backfill."""
    settings = _restless(settings)
    for _ in range(count):
        for _ in range(3):
            shares.land(settings, len(shares.landed(settings)) + 1)
        found = _at_once(spark, settings)
        for backfill in backfills.open_lake(spark, settings)[1].all():
            if backfill.in_flight:
                backfills.execute(spark, settings, backfill.id, accept=True)
        yield [*found, *shares.losses(spark, settings)]


def _restless(settings: Settings) -> Settings:
    """Settings with which maintenance compacts an hour right after a run adds to it."""
    keeping = settings.maintenance.model_copy(update={"quiet_hours": 0})
    return settings.model_copy(update={"maintenance": keeping})


def _at_once(spark: SparkSession, settings: Settings) -> list[str]:
    done = threading.Event()
    parts: list[Part] = [
        lambda own: [str(e) for e in shares.run(own, settings).errors.values() if not isinstance(e, ConflictError)],
        lambda own: _backfill(own, settings),
        lambda own: _maintain(own, settings),
    ]
    with ThreadPoolExecutor(len(parts) + 1) as pool:
        reader = pool.submit(_in_own_session, spark, lambda own: _read(own, settings, done))
        others: list[Future[list[str]]] = [pool.submit(_in_own_session, spark, part) for part in parts]
        wait(others)
        done.set()
        return [loss for each in (*others, reader) for loss in each.result()]


def _in_own_session(spark: SparkSession, part: Part) -> list[str]:
    """Run a part in its own session. An exception other than ConflictError is a loss."""
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
        backfills.execute(spark, settings, declared.id, accept=True)
    return []


def _maintain(spark: SparkSession, settings: Settings) -> list[str]:
    maintenance.maintain(spark, settings, END, dry_run=False)
    return []


def _read(spark: SparkSession, settings: Settings, done: threading.Event) -> list[str]:
    """Check that each read returns every share of earlier reads, without duplicates."""
    seen: set[int] = set()
    while not done.wait(PAUSE):
        rows = delta.read(spark, views.uri(settings, shares.FACTS)).select("share_id").collect()
        ids = {row[0] for row in rows}
        if len(ids) != len(rows) or not seen <= ids:
            return [f"a read returned {len(rows)} rows of {len(ids)} shares, after {len(seen)} shares before"]
        seen = ids
    return []
