"""Removes mails, Data Docs and pages that name an erased person. The receipt counts them.

They should not hold personal data, but may. A number in a text ("12 of 1,000 rows") counts as an id of a person only
right after the name of a column or option that holds such ids. A text counts as a handle or caption of a creator only
when it is the whole content of a cell of a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from email import message_from_bytes
from glob import escape
from html import unescape
from pathlib import Path

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.spark import files
from etl.engine.spark.files import absolute, local_folder, local_or_none
from etl.model.privacy import VIEWER, Role
from etl.operations.erasure import written_pages

CELL = re.compile(r">\s*([^<>]+?)\s*<")
CUT_AFTER = 100  # pages shorten long texts, but always show this many characters
Erased = Callable[[set[int]], set[int]]


def remove(
    spark: SparkSession, settings: Settings, role: Role, erased: Erased, texts: set[str]
) -> tuple[dict[str, int], list[str]]:
    """Delete mails, Data Docs and pages that name an erased person.

    Pages are the HTML files in the lake's folder, those next to it that start with its name, and the recorded ones
    (`written_pages`). `erased`: returns which of some ids belong to erased people. `texts`: handles and captions of
    erased creators. Returns the number of removed files by kind, and a line for each folder that could not be searched.
    """
    folders = {"outbox": settings.outbox, "data_docs": f"{settings.lake}/_data_docs"}
    local = {name: folder for name, folder in folders.items() if absolute(folder).startswith("file:")}
    remote = {name: folder for name, folder in folders.items() if name not in local}
    not_searched = [f"{name} is not local: {uri}" for name, uri in remote.items() if files.walk(spark, absolute(uri))]
    candidates = {name: _files_below(local_folder(folder)) for name, folder in local.items()}
    elsewhere, id_pattern = written_pages.visit(spark, settings), _id_pattern(role)
    candidates["pages"] = list({*_pages_of_lake(settings), *elsewhere.pages})
    removed = {name: _remove(paths, erased, id_pattern, texts) for name, paths in candidates.items()}
    removed["pages"] += elsewhere.removed
    return removed, not_searched + elsewhere.out_of_reach


def _pages_of_lake(settings: Settings) -> list[Path]:
    """The HTML files in the folder of a local lake, and those next to it that start with its name."""
    lake = local_or_none(settings.lake)
    if lake is None:
        return []
    return [*lake.glob("*.html"), *lake.parent.glob(f"{escape(lake.name)}-*.html")]


def _files_below(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()] if folder.is_dir() else []


def _id_pattern(role: Role) -> re.Pattern[bytes]:
    """Return a pattern of a number right after the name of a column or option that holds an id."""
    names = "|".join([*role.ids, *("viewer", "user")] if role == VIEWER else [*role.ids, role.name])
    return re.compile(rb"(?i)\b(?:%s)\b(?:<[^>]{1,80}>|[^\w-]){1,20}?(-?\d+)" % names.encode())


def _shows(page: str, texts: set[str]) -> bool:
    """Whether one of the texts is the whole content of a cell, or the author in "By AUTHOR, published …".

    Of a text longer than CUT_AFTER, its first CUT_AFTER characters are enough.
    """
    first_parts = {text[:CUT_AFTER] for text in texts if len(text) > CUT_AFTER}
    for cell in map(unescape, CELL.findall(page)) if texts else ():
        author = cell.removeprefix("By ").split(", published")[0]
        if {cell, author} & texts or (len(cell) >= CUT_AFTER and cell[:CUT_AFTER] in first_parts):
            return True
    return False


def _remove(paths: list[Path], erased: Erased, id_pattern: re.Pattern[bytes], texts: set[str]) -> int:
    contents = {path: _content(path) for path in paths}
    ids = {path: {int(n) for n in id_pattern.findall(text) if len(n) < 20} for path, text in contents.items()}
    people = erased({number for numbers in ids.values() for number in numbers})
    naming = [p for p, text in contents.items() if ids[p] & people or _shows(text.decode(errors="replace"), texts)]
    for path in naming:
        path.unlink()
    return len(naming)


def _content(file: Path) -> bytes:
    """Return the bytes of a file; of a mail also its decoded parts."""
    raw = file.read_bytes()
    if file.suffix != ".eml":
        return raw
    parts = [part.get_payload(decode=True) for part in message_from_bytes(raw).walk() if not part.is_multipart()]
    return b"\n".join([raw, *[part for part in parts if isinstance(part, bytes)]])
