"""A note in a folder of simulated landing files that records which scenario wrote them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import LandingError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TRUTH_FOLDER = "_truth"


def claim(out: Path, scenario: DataclassInstance, name: str) -> None:
    """Record the scenario that writes to a folder.

    Raises LandingError when another scenario wrote to it before: files of two scenarios match neither truth.
    """
    note = out / TRUTH_FOLDER / name
    text = json.dumps(asdict(scenario), default=str, indent=1, sort_keys=True) + "\n"
    if note.exists() and note.read_text() != text:
        raise LandingError(f"{out} holds the files of another scenario ({note}): choose an empty folder")
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(text)
