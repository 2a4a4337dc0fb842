"""Records where pages of a lake are written outside of its folder, so that an erasure can search them.

`<lake>/_pages` has one small file per place: the machine and the path of a page, or of the folder of Data Docs, and
nothing of their content. An erasure cannot search a place on another machine, or in a folder that it does not find. It
marks the place, and the page is removed unread as soon as an erasure or maintenance reaches it: a page can be written
again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.spark import documents, files
from etl.errors import first_line

log = logging.getLogger("feed_etl")
FOLDER = "_pages"


@dataclass(frozen=True)
class Place:
    """A path on a machine that pages were written to. `missed`: an erasure could not search it since then."""

    machine: str
    path: str
    missed: bool = False

    @property
    def name(self) -> str:
        """The name of its file in the lake."""
        return hashlib.blake2b(f"{self.machine} {self.path}".encode(), digest_size=12).hexdigest() + ".json"

    @property
    def is_within_reach(self) -> bool:
        """Whether this process can list the folder of the place, and remove files from it."""
        folder = Path(self.path).parent
        return self.machine == platform.node() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)


@dataclass
class Visit:
    """What an erasure finds at the recorded places.

    pages: to be searched. removed: number of pages removed unread. out_of_reach: a line for each place that cannot be
    searched.
    """

    pages: list[Path] = field(default_factory=list)
    removed: int = 0
    out_of_reach: list[str] = field(default_factory=list)


def record(spark: SparkSession, settings: Settings, path: Path) -> None:
    """Record where a page, or a folder of pages, is about to be written. A place that is always searched needs none.

    If it cannot be recorded (a lake that this user only reads), a warning says that an erasure will not search it.
    """
    place = Place(platform.node(), str(path.resolve()))
    if _is_always_searched(settings, Path(place.path)):
        return
    uri, text = f"{files.absolute(settings.lake)}/{FOLDER}/{place.name}", json.dumps(asdict(place))
    try:
        if not documents.create(spark, uri, text):
            documents.replace(spark, uri, text)
    except (OSError, Py4JError) as error:
        log.warning("%s cannot be recorded, so an erasure will not search it: %s", place.path, first_line(error))


def _is_always_searched(settings: Settings, path: Path) -> bool:
    """Whether an erasure searches a path without a record: in the folder of a local lake, or next to it by its name."""
    lake = files.local_or_none(settings.lake)
    if lake is None:
        return False
    if path == lake / "_data_docs":
        return True
    in_lake, beside = path.parent == lake, path.parent == lake.parent and path.name.startswith(f"{lake.name}-")
    return path.suffix == ".html" and (in_lake or beside)


def visit(spark: SparkSession, settings: Settings) -> Visit:
    """Look at every recorded place. Marks those out of reach, and removes the pages of those that were missed."""
    found = Visit()
    for file in files.walk(spark, f"{files.absolute(settings.lake)}/{FOLDER}"):
        place = _read(spark, file.uri)
        if place is None:
            found.out_of_reach.append(f"pages of {FOLDER}/{file.name}, which cannot be read")
        elif place.is_within_reach:
            _visit(spark, file.uri, place, found)
        else:
            documents.replace(spark, file.uri, json.dumps(asdict(place) | {"missed": True}))
            found.out_of_reach.append(f"pages in {Path(place.path).parent} on {place.machine} ({FOLDER}/{file.name})")
    return found


def _visit(spark: SparkSession, uri: str, place: Place, found: Visit) -> None:
    """Add the pages of a place, or remove them if it was missed. Forgets a place that has no pages any more."""
    pages = _pages(Path(place.path))
    if place.missed:
        for page in pages:
            page.unlink()
        found.removed += len(pages)
    else:
        found.pages += pages
    if place.missed or not pages:
        files.delete(spark, uri)


def _read(spark: SparkSession, uri: str) -> Place | None:
    try:
        return Place(**json.loads(documents.read(spark, uri) or ""))
    except (ValueError, TypeError):
        return None


def _pages(path: Path) -> list[Path]:
    """The page at a path, or the files of the Data Docs in a folder."""
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path] if path.is_file() else []
