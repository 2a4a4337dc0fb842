"""Finds which function of the project makes a file-system call, also when the JVM makes it for Python.

Two calls are equal when the same function does the same to the same kind of file. `--distinct` fails one of them.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4j.java_gateway import JavaMember

import etl

ROOT = str(Path(etl.__file__).parent)
FRAMES = 2  # functions of the project that identify a caller: a helper, and the function that uses it
LAKE_PATH = re.compile(r"/lake/(bronze|dims|facts|rollups|marts|_rejected|_backfill)/[^/ ]+")
LANDED_PATH = re.compile(r"/landing/[^/_ ]+(/hour=[^/ ]+)?(/[^/_ ][^/ ]*)?")
PARTITION = re.compile(r"/[^/ =]+=[^/]+")


def caller() -> str:
    """The innermost functions of the project on the stack: `files.exists < landed.check`."""
    found: list[str] = []
    frame = sys._getframe(1)
    while frame and len(found) < FRAMES:
        if frame.f_code.co_filename.startswith(ROOT):
            found.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")
        frame = frame.f_back  # type: ignore[assignment]
    return " < ".join(found)


def class_of(kind: str) -> str:
    """A kind of call without the names of table, event, file and partition: these do not change what the code does."""
    kind = LAKE_PATH.sub(r"/lake/\1/TABLE", kind)
    kind = LANDED_PATH.sub(lambda m: "/landing/EVENT" + "/HOUR" * bool(m[1]) + "/FILE" * bool(m[2]), kind)
    return PARTITION.sub("/PARTITION", kind)


@contextmanager
def attributed(count: Callable[[], int], callers: list[str]) -> Iterator[None]:
    """Add to `callers`, for each recorded call of the JVM, the caller in Python. `count` returns how many there are."""
    original, busy = JavaMember.__call__, threading.local()

    def call(member: JavaMember, *given: Any) -> Any:
        if getattr(busy, "counting", False):
            return original(member, *given)
        try:
            return original(member, *given)
        finally:
            busy.counting = True
            callers.extend([caller()] * (count() - len(callers)))
            busy.counting = False

    JavaMember.__call__ = call
    try:
        yield
    finally:
        JavaMember.__call__ = original
