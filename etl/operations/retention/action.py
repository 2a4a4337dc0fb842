"""One thing that maintenance would do: named first, done after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Action:
    """`do` is None for what is only said: something is due, or held back. `size` is in bytes of files that would go."""

    step: str
    place: str
    what: str
    do: Callable[[], object] | None = None
    files: int = 0
    size: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "place": self.place,
            "what": self.what,
            "files": self.files,
            "bytes": self.size,
            "held": self.do is None,
        }
