"""Mails and reports hold no personal data; those that do all the same are removed, and the receipt says how many.

A number in a mail may be anything ("12 of 1,000 rows"). It is an id of a person where the text says so: right after the
name of a column or of an option that holds one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine import files
from etl.engine.files import absolute, local_folder
from etl.privacy import STAND_IN_BY

AN_ID = re.compile(rb"(?i)\b(?:%s|viewer|user)\b(?:<[^>]{1,80}>|[^\w-]){1,20}?(-?\d+)" % "|".join(STAND_IN_BY).encode())
Erased = Callable[[set[int]], set[int]]


def remove(spark: SparkSession, settings: Settings, erased: Erased) -> tuple[dict[str, int], list[str]]:
    """Delete mails of the outbox and pages of Data Docs that name an erased person; `erased` says who of some is one.

    Returns how many by place, and places elsewhere that hold files, which nobody has looked at.
    """
    places = {"outbox": settings.outbox, "data_docs": f"{settings.lake}/_data_docs"}
    local = {name: place for name, place in places.items() if absolute(place).startswith("file:")}
    away = {name: place for name, place in places.items() if name not in local}
    elsewhere = [f"{name} is not local: {place}" for name, place in away.items() if files.walk(spark, absolute(place))]
    return {name: _remove(local_folder(place), erased) for name, place in local.items()}, elsewhere


def _remove(folder: Path, erased: Erased) -> int:
    said = {f: _said(f) for f in folder.rglob("*") if f.is_file()} if folder.is_dir() else {}
    people = erased({number for numbers in said.values() for number in numbers})
    found = [file for file, numbers in said.items() if numbers & people]
    for file in found:
        file.unlink()
    return len(found)


def _said(file: Path) -> set[int]:
    return {int(number) for number in AN_ID.findall(file.read_bytes()) if len(number) < 20}
