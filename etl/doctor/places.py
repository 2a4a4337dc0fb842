"""Checks of the lake, the landing zone and the folders of temporary files: rights, space, and the clock."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etl.conf import Settings
from etl.doctor.finding import Finding, failed, ok, warning
from etl.engine.delta import offline
from etl.engine.spark import scratch
from etl.engine.spark.files import local_or_none
from etl.engine.spark.storage import S3
from etl.engine.state import offline as offline_state
from etl.errors import FeedEtlError, first_line

MAX_SKEW = timedelta(seconds=60)
"""How far the clock may be behind the newest ledger row."""
GIGABYTE = 1 << 30


def _existing(folder: Path) -> Path:
    """The folder, or the nearest folder above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def lake(settings: Settings) -> Iterator[Finding]:
    """Whether this user can write the lake, and read and write every folder of it."""
    folder = local_or_none(settings.lake)
    if folder is None:
        yield from _remote_lake(settings)
        return
    place = _existing(folder)
    if not place.is_dir():
        yield failed("lake", f"{place} is a file", "Set --lake to a folder.")
    elif fault := _write_fault(place):
        yield failed("lake", f"{place} cannot be written: {fault}", _rights(place))
    elif closed := _closed(folder):
        more = f" and {len(closed) - 1} more" if len(closed) > 1 else ""
        yield failed("lake", f"no right to read and write {closed[0]}{more}", _rights(closed[0]))
    else:
        yield ok("lake", f"{folder} can be written" if folder.exists() else f"{folder}: the first run creates it")


def _remote_lake(settings: Settings) -> Iterator[Finding]:
    if S3.match(settings.lake) and not settings.single_writer:
        step = "Set single_writer in conf/, or a log store that locks: docs/storage.md."
        yield warning("lake", f"{settings.lake}: two processes that write it lose each other's commits", step)
    try:
        exists = offline.open_table(settings, "_ledger") is not None
        yield ok("lake", f"{settings.lake} is reachable" if exists else f"{settings.lake}: the first run creates it")
    except FeedEtlError as error:
        yield failed("lake", first_line(error), "Check the address, the network and the credentials (docs/storage.md).")


def _rights(folder: Path) -> str:
    return f"Run as the user that owns it ({_owner(folder)}), or give user {os.geteuid()} the right."


def _owner(folder: Path) -> str:
    try:
        return folder.owner()
    except (KeyError, OSError):
        return "unknown"


def _write_fault(folder: Path) -> str:
    """Why no file can be written into a folder; empty when one can."""
    try:
        with tempfile.NamedTemporaryFile(prefix=".feed-etl-doctor-", dir=folder) as probe:
            probe.write(b"feed-etl")
            probe.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _closed(root: Path) -> list[Path]:
    """Folders of the lake, its tables and their logs that this user cannot read and write."""
    inside = [*root.glob("*"), *root.glob("*/*"), *root.glob("*/_delta_log"), *root.glob("*/*/_delta_log")]
    needed = os.R_OK | os.W_OK | os.X_OK
    return sorted({each for each in inside if each.is_dir() and not os.access(each, needed)})


def landing(settings: Settings) -> Iterator[Finding]:
    """Whether the landing zone exists and can be read."""
    folder = local_or_none(settings.landing)
    if folder is None:
        yield ok("landing", f"{settings.landing} is not local: the first run tells whether it can be read")
    elif not folder.exists():
        yield warning("landing", f"there is no {folder}", "Set --landing, or try `feed-etl simulate`.")
    elif not os.access(folder, os.R_OK | os.X_OK):
        yield failed("landing", f"{folder} cannot be read", _rights(folder))
    else:
        yield ok("landing", f"{folder} can be read")


def temporary(settings: Settings) -> Iterator[Finding]:
    """Whether the folder of temporary files can be used. Raises ConfigError when it cannot."""
    folder = scratch.base(settings.scratch)
    if fault := _write_fault(folder):
        yield failed("scratch", f"{folder} cannot be written: {fault}", "Set `scratch` in conf/ to another folder.")
    else:
        yield ok("scratch", f"{folder} can be written")


def space(settings: Settings) -> Iterator[Finding]:
    """Whether the disks of the lake, the outbox and temporary files have `min_free_gb`."""
    folders = [local_or_none(settings.lake), local_or_none(settings.outbox), scratch.base(settings.scratch)]
    disks = {(place := _existing(folder)).stat().st_dev: place for folder in folders if folder}
    free = {place: shutil.disk_usage(place).free / GIGABYTE for place in disks.values()}
    full = [place for place, gigabytes in free.items() if gigabytes < settings.min_free_gb]
    for place in full:
        what = f"{free[place]:.1f} GB are free on the disk of {place}, less than min_free_gb {settings.min_free_gb:g}"
        step = "Free space (`feed-etl maintain` removes what is past its deadline), or use a larger disk."
        yield failed("space", what, step)
    if not full:
        yield ok("space", f"{min(free.values()):.1f} GB are free")


def clock(settings: Settings, now: datetime | None = None) -> Iterator[Finding]:
    """Whether the clock agrees with the newest ledger row and with the disk of the lake, and the zone is UTC."""
    zone = settings.spark.get("spark.sql.session.timeZone", "UTC")
    java_zone = settings.spark.get("spark.driver.extraJavaOptions", "").partition("-Duser.timezone=")[2].split(" ")[0]
    if zone != "UTC" or java_zone not in ("", "UTC"):
        step = "Remove the time zone from `spark` in conf/: hours and days are in UTC."
        yield failed("clock", f"Spark's time zone is {zone if zone != 'UTC' else java_zone}", step)
    now, newest = now or datetime.now(UTC), _newest_run(settings)
    step = "Set the clock (`timedatectl set-ntp true`); times of runs would be wrong."
    if newest and newest - now > MAX_SKEW:
        yield failed("clock", f"the clock is {newest - now} behind the newest run in the ledger ({newest:%F %T})", step)
    elif abs(skew := _disk_skew(settings)) > MAX_SKEW.total_seconds():
        yield warning("clock", f"the clock of the lake's disk differs by {skew:.0f} s", step)
    else:
        yield ok("clock", f"{now:%F %T} UTC")


def _newest_run(settings: Settings) -> datetime | None:
    try:
        return max((e.started_at for e in offline_state.ledger(settings).entries), default=None)
    except FeedEtlError:  # no lake yet, or one that another check reports
        return None


def _disk_skew(settings: Settings) -> float:
    """Seconds that the time of a new file is ahead of the clock; 0 when no file can be written."""
    folder = local_or_none(settings.lake)
    try:
        with tempfile.TemporaryFile(dir=_existing(folder) if folder else None) as probe:
            return os.fstat(probe.fileno()).st_mtime - time.time()
    except OSError:
        return 0.0
