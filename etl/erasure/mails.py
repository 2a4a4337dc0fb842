"""Mails and reports hold no personal data; those that do all the same are removed, and the receipt says how many."""

from __future__ import annotations

import re
from pathlib import Path

from etl.conf import Settings
from etl.engine import pseudonyms
from etl.engine.files import absolute, local_folder


def remove(settings: Settings, viewer: int) -> dict[str, int]:
    """Delete mails of the outbox and pages of Data Docs that name a viewer. Places that are not local are skipped."""
    places = {"outbox": settings.outbox, "data_docs": f"{settings.lake}/_data_docs"}
    return {name: _remove(local_folder(place), viewer) for name, place in places.items() if _is_local(place)}


def _is_local(place: str) -> bool:
    return absolute(place).startswith("file:")


def _remove(folder: Path, viewer: int) -> int:
    numbers = "|".join(map(str, pseudonyms.names(viewer))).encode()
    named = re.compile(rb"(?<!\d)(" + numbers + rb")(?!\d)")
    found = [f for f in folder.rglob("*") if f.is_file() and named.search(f.read_bytes())] if folder.is_dir() else []
    for file in found:
        file.unlink()
    return len(found)
