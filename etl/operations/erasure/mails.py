"""Mails and Data Docs hold no personal data; those that do all the same are removed, and so are pages that show an
erased creator. The receipt says how many.

A number in a mail may be anything ("12 of 1,000 rows"). It is an id of a person where the text says so: right after the
name of a column or of an option that holds one. So may be a word: it is a handle or a caption where it is all that
a cell of a page says.
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
from etl.engine.spark.files import absolute, local_folder
from etl.model.privacy import VIEWER, Role

CELL = re.compile(r">\s*([^<>]+?)\s*<")
CUT_AFTER = 100  # characters of a text that a page shows at least
Erased = Callable[[set[int]], set[int]]


def remove(
    spark: SparkSession, settings: Settings, role: Role, erased: Erased, texts: set[str]
) -> tuple[dict[str, int], list[str]]:
    """Delete mails, Data Docs, and pages in the lake's folder or named after it beside it, that name an erased person.

    `erased` says who of some is one; `texts` are handles and captions of theirs. Returns how many files by place, and
    places elsewhere that hold files, which nobody has looked at.
    """
    places = {"outbox": settings.outbox, "data_docs": f"{settings.lake}/_data_docs"}
    local = {name: place for name, place in places.items() if absolute(place).startswith("file:")}
    away = {name: place for name, place in places.items() if name not in local}
    elsewhere = [f"{name} is not local: {place}" for name, place in away.items() if files.walk(spark, absolute(place))]
    found = {name: _below(local_folder(place)) for name, place in local.items()}
    if absolute(settings.lake).startswith("file:"):
        lake = local_folder(settings.lake)
        found["pages"] = [*lake.glob("*.html"), *lake.parent.glob(f"{escape(lake.name)}-*.html")]
    return {name: _remove(there, erased, _an_id(role), texts) for name, there in found.items()}, elsewhere


def _below(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()] if folder.is_dir() else []


def _an_id(role: Role) -> re.Pattern[bytes]:
    """A number right after the name of a column or option that holds an id."""
    names = "|".join([*role.ids, *("viewer", "user")] if role == VIEWER else [*role.ids, role.name])
    return re.compile(rb"(?i)\b(?:%s)\b(?:<[^>]{1,80}>|[^\w-]){1,20}?(-?\d+)" % names.encode())


def _shows(page: str, texts: set[str]) -> bool:
    """Whether one of the texts is all that a cell says, or who a post is by; of a long one its first part is enough."""
    first_parts = {text[:CUT_AFTER] for text in texts if len(text) > CUT_AFTER}
    for cell in map(unescape, CELL.findall(page)) if texts else ():
        by = cell.removeprefix("By ").split(", published")[0]
        if {cell, by} & texts or (len(cell) >= CUT_AFTER and cell[:CUT_AFTER] in first_parts):
            return True
    return False


def _remove(there: list[Path], erased: Erased, an_id: re.Pattern[bytes], texts: set[str]) -> int:
    content = {file: _content(file) for file in there}
    said = {f: {int(n) for n in an_id.findall(text) if len(n) < 20} for f, text in content.items()}
    people = erased({number for numbers in said.values() for number in numbers})
    found = [f for f, text in content.items() if said[f] & people or _shows(text.decode(errors="replace"), texts)]
    for file in found:
        file.unlink()
    return len(found)


def _content(file: Path) -> bytes:
    """The bytes of a file, and what the parts of a mail say once they are decoded."""
    whole = file.read_bytes()
    if file.suffix != ".eml":
        return whole
    parts = [part.get_payload(decode=True) for part in message_from_bytes(whole).walk() if not part.is_multipart()]
    return b"\n".join([whole, *[part for part in parts if isinstance(part, bytes)]])
