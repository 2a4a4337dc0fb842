"""Notes in a landed hour which files an erasure has rewritten, until the ledger knows the new fingerprint of the hour.

Without the note, an erasure that fails after it rewrote a file would leave an hour whose files look new: the next run
would read the hour again. The note has paths, sizes and modification times, and nothing from the records.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from pyspark.sql import SparkSession

from etl.engine.landing.reader import Landed
from etl.engine.spark import documents, files
from etl.engine.spark.files import LandedFile

FILE = "_erasing.json"


@dataclass
class Rewrites:
    """The rewritten files of one landed hour: path -> [size before, time before, size after, time after]."""

    spark: SparkSession
    uri: str
    states: dict[str, list[int]]

    def before(self, part: Landed) -> Landed:
        """The files of the hour as they were before the erasure. A file that changed after it stays as listed."""
        return Landed(part.hour, tuple(map(self._before, part.files)))

    def _before(self, file: LandedFile) -> LandedFile:
        size, modified, *after = self.states.get(file.path, [0, 0, -1, -1])
        return replace(file, size=size, modified=modified) if [file.size, file.modified] == after else file

    def add(self, file: LandedFile, new: LandedFile) -> None:
        """Note that a file becomes a new one; to be called before the new file takes its place."""
        was = self._before(file)
        self.states[file.path] = [was.size, was.modified, new.size, new.modified]
        documents.replace(self.spark, self.uri, json.dumps(self.states))

    def delete(self) -> None:
        """Delete the note."""
        files.delete(self.spark, self.uri)


def load(spark: SparkSession, hour_folder: str) -> Rewrites:
    """The note in the folder of a landed hour; without one, an empty note."""
    uri = f"{hour_folder}/{FILE}"
    return Rewrites(spark, uri, json.loads(documents.read(spark, uri) or "{}"))
