"""The run, table and hour that a thread works on. Log lines and spans carry them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

NAMES = ("run_id", "table", "hour")
_current: ContextVar[Mapping[str, str]] = ContextVar("fields", default=MappingProxyType({}))


def current() -> dict[str, str | None]:
    """The fields of this thread; None for a field that does not apply."""
    return {name: _current.get().get(name) for name in NAMES}


@contextmanager
def scope(**fields: str) -> Iterator[None]:
    """Set fields for a block. Threads take them over when they run in a copy of the context."""
    token = _current.set({**_current.get(), **fields})
    try:
        yield
    finally:
        _current.reset(token)
