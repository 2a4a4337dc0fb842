"""The versions of a table that its log and its files can still give, with the ledger row that each commit carries."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from etl.engine.delta import tables as delta
from etl.engine.delta.partitions import partition_hour
from etl.engine.jobs.recovery import from_commit
from etl.engine.spark import files
from etl.engine.spark.files import LandedFile
from etl.engine.state import restores
from etl.engine.state.entry import Entry
from etl.errors import LakeError
from etl.model.contract import Table

COMMIT = re.compile(r"(\d{20})\.json")
FILE = "STRUCT<path: STRING, partitionValues: MAP<STRING, STRING>>"
ACTIONS = f"commitInfo STRUCT<timestamp: BIGINT, userMetadata: STRING>, add {FILE}, remove {FILE}"


@dataclass(frozen=True)
class Commit:
    """One commit of a table: when it was made (UTC), its ledger row if it has one, and the files it adds and removes.

    added, removed: path below the table -> value of the hour column, None without one.
    """

    version: int
    at: datetime
    entry: Entry | None
    added: Mapping[str, str | None] = field(default_factory=dict)
    removed: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Timeline:
    """The commits of a table that its log still has, oldest first.

    live: the files of the newest version, path -> value of the hour column. on_disk: the paths of all files. kept_from:
    the first hour that retention kept; files of earlier hours are not missed.
    """

    table: Table
    table_id: str
    newest: int
    commits: tuple[Commit, ...]
    live: Mapping[str, str | None]
    on_disk: Collection[str]
    kept_from: datetime | None = None

    @cached_property
    def by_version(self) -> dict[int, Commit]:
        """Version -> its commit."""
        return {commit.version: commit for commit in self.commits}

    @cached_property
    def restored(self) -> dict[int, int]:
        """Version that a restore published -> version to which it restored the table."""
        entries = {c.version: c.entry for c in self.commits if c.entry}
        return {version: e.restored_to for version, e in entries.items() if e.restored_to is not None}

    def history(self, version: int) -> set[int]:
        """The versions that led to a version."""
        return restores.history(version, self.restored)

    @cached_property
    def oldest(self) -> int:
        """The oldest version whose files are all on disk. Going back, each commit gives back what it removed."""
        version, missing = self.newest, self._missing(self.live)
        while not missing and version - 1 in self.by_version:
            missing = self._missing(self.by_version[version].removed)
            version -= 0 if missing else 1
        return version

    def _missing(self, paths: Mapping[str, str | None]) -> list[str]:
        return [path for path, hour in paths.items() if path not in self.on_disk and not self.is_expired(hour)]

    def is_expired(self, hour: str | None) -> bool:
        """Whether retention removed the files with this value of the hour column, so that they do not come back."""
        return bool(hour and self.kept_from and partition_hour(hour) < self.kept_from)

    def at(self, time: datetime | None) -> int:
        """The version that was the newest one at a time; the first one, in which it is empty, when it is younger."""
        return max((c.version for c in self.commits if time is None or c.at <= time), default=self.commits[0].version)

    @property
    def reaches_back_to(self) -> datetime | None:
        """The oldest point that the table can be restored to; None when that is any point."""
        return None if self.oldest == 0 else self.by_version[self.oldest].at


def read(spark: SparkSession, tables: Mapping[str, Table], kept: Mapping[str, datetime | None]) -> dict[str, Timeline]:
    """Table name -> its timeline. tables: URI -> table. kept: table name -> first hour that retention has kept."""
    logs = {uri: _json_files(spark, uri) for uri in tables}
    actions = _actions(spark, [file for found in logs.values() for file in found])
    made = {}
    for uri, table in tables.items():
        newest, table_id = delta.identity(spark, uri)
        commits = [_commit(file, actions.get(file.uri.split(":", 1)[1].lstrip("/"), []), table) for file in logs[uri]]
        made[table.name] = Timeline(
            table, table_id, newest, _without_gaps(table, commits, newest), _live(spark, uri, table),
            {files.relative_path(uri, f.uri) for f in files.walk(spark, uri)}, kept.get(table.name),
        )  # fmt: skip
    return made


def _json_files(spark: SparkSession, uri: str) -> list[LandedFile]:
    return [f for f in files.list_files(spark, f"{uri}/_delta_log") if COMMIT.fullmatch(f.name)]


def _actions(spark: SparkSession, logs: list[LandedFile]) -> dict[str, list[Any]]:
    """Path of a commit file -> its actions, in the order of the file."""
    if not logs:
        return {}
    rows = spark.read.schema(ACTIONS).json([files.glob_escape(file.uri) for file in logs])
    found: dict[str, list[Any]] = {}
    for row in rows.select("*", F.col("_metadata.file_path").alias("file")).collect():
        found.setdefault(unquote(row["file"]).split(":", 1)[1].lstrip("/"), []).append(row)
    return found


def _commit(file: LandedFile, actions: Iterable[Any], table: Table) -> Commit:
    info = next((row["commitInfo"] for row in actions if row["commitInfo"]), None)
    milliseconds = info["timestamp"] if info and info["timestamp"] else file.modified
    text, version = (info["userMetadata"] if info else None) or "", int(file.name[:20])
    entry = from_commit(text, version) if text.startswith("{") else None
    added = {unquote(r["add"]["path"]): _hour(r["add"], table) for r in actions if r["add"]}
    removed = {unquote(r["remove"]["path"]): _hour(r["remove"], table) for r in actions if r["remove"]}
    return Commit(version, datetime.fromtimestamp(milliseconds / 1000, UTC), entry, added, removed)


def _hour(action: Any, table: Table) -> str | None:
    return (action["partitionValues"] or {}).get(table.hour)


def _without_gaps(table: Table, commits: list[Commit], newest: int) -> tuple[Commit, ...]:
    """The commits up to the newest version, without those before a gap."""
    by_version, version = {c.version: c for c in commits}, newest
    while version in by_version:
        version -= 1
    if version == newest:
        raise LakeError(f"The log of {table.name} lacks its newest version {newest}. Run `feed-etl check`.")
    return tuple(by_version[v] for v in range(version + 1, newest + 1))


def _live(spark: SparkSession, uri: str, table: Table) -> dict[str, str | None]:
    value = F.col("partitionValues")[table.hour] if table.hour else F.lit(None).cast("string")
    return {unquote(r[0]): r[1] for r in delta.live_files(spark, uri).select("path", value).collect()}
