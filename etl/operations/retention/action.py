"""An action of maintenance. A plan lists actions before any of them is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Action:
    """One action.

    `do` is None for an action that is held: it is only reported. `files` and `size` (bytes): what the action removes.
    `needs_yes`: whether it is held until somebody gives --yes; owners and on-call are mailed about these.
    """

    step: str
    place: str
    what: str
    do: Callable[[], object] | None = None
    files: int = 0
    size: int = 0
    needs_yes: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the action as `maintain --json` prints it."""
        return {
            "step": self.step,
            "place": self.place,
            "what": self.what,
            "files": self.files,
            "bytes": self.size,
            "held": self.do is None,
            "needs_yes": self.needs_yes,
        }
