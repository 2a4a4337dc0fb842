"""The console of commands that draw a screen of 80 columns."""

from __future__ import annotations

import io
from typing import TextIO

from rich.console import Console

WIDTH = 80


def console(file: TextIO) -> Console:
    """A console of at most 80 columns, without colors where the output is not a terminal."""
    made = Console(file=file, highlight=False)
    if not made.encoding.startswith("utf") and isinstance(file, io.TextIOWrapper):
        file.reconfigure(errors="replace")  # a name or a reason may hold any character
    made.width = min(made.width, WIDTH) if made.is_terminal else WIDTH
    return made


def symbol(on: Console, symbols: tuple[str, str]) -> str:
    """The first symbol, or the second one where the output cannot show Unicode."""
    return symbols[0 if on.encoding.startswith("utf") else 1]
