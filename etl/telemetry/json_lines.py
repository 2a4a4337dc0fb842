"""Log lines as JSON: with `--log-format json` every line of standard error is one JSON object.

Python's log records are formatted here, and Spark's by its own layout (conf/spark-log4j2-json.properties). What else
writes to standard error (notes of the JVM, warnings, usage errors) passes a pipe, in which each line becomes an object.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TextIO

from etl.telemetry import fields

LOGGER = "stderr"
"""`logger` of a line that another program wrote."""
_is_on = False


def is_on() -> bool:
    """Whether standard error has JSON lines now."""
    return _is_on


class JsonFormatter(logging.Formatter):
    """One JSON object per record: ts (UTC), level, logger, message, run_id, table, hour, and any `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = _line(record.created, record.levelname, record.name, record.getMessage())
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _line(at: float, level: str, logger: str, message: str) -> dict[str, Any]:
    ts = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"ts": ts, "level": level, "logger": logger, "message": message, **fields.current()}


def as_json(text: str) -> str:
    """A line of another program as JSON. A line that is a JSON object already gets the fields that it lacks."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        found = _line(datetime.now(UTC).timestamp(), "INFO", LOGGER, text)
    return json.dumps(found | {name: None for name in fields.NAMES if name not in found}, ensure_ascii=False)


@contextmanager
def standard_error() -> Iterator[TextIO]:
    """Turn every line that this process and its child processes write to standard error into JSON, during a block.

    Gives the stream that log handlers write to directly. A process that is killed loses the lines still in the pipe.
    """
    global _is_on
    original, end = os.dup(2), f"end-{secrets.token_hex(8)}"
    reading, writing = os.pipe()
    os.dup2(writing, 2)
    os.close(writing)
    out = os.fdopen(original, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    reader = threading.Thread(target=_copy, args=(reading, out, end), daemon=True)
    reader.start()
    _is_on = True
    try:
        yield out
    finally:
        _is_on = False
        sys.stderr.flush()
        os.write(2, f"\n{end}\n".encode())
        reader.join(timeout=5)
        os.dup2(original, 2)
        with suppress(OSError):  # nobody takes the last lines
            out.close()


def _copy(reading: int, out: TextIO, end: str) -> None:
    """Copy lines from the pipe until the line `end`. The pipe stays open: a JVM that ends later may still write.

    Goes on reading when nobody takes the lines any more: who writes to a full pipe would wait for ever.
    """
    pipe = os.fdopen(reading, "r", encoding="utf-8", errors="replace", closefd=False)
    for line in pipe:
        text = line.rstrip("\n")
        if text == end:
            return
        if text.strip():
            with suppress(OSError, ValueError):
                out.write(f"{as_json(text)}\n")
