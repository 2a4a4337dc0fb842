"""Secrets: how they are known, where they may stand, and how they are read from a file of their own.

They come from the environment or from private files, never from conf/, which is committed, copied and printed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etl.errors import ConfigError, first_line

_WORD = (
    r"pass(?:word|wd|phrase)|secret|token|credential|(?:access|account|api|auth|encryption|private|signing)[._-]?key"
)
NAME = re.compile(rf"{_WORD}|(?:^|[._-])key$", re.I)
# What is about a secret and is none: where it lies, who gives it, how long it is.
NOT_SECRET = re.compile(
    r"(?:file|path|dir|folder|mountpath|provider|providers|class|impl|enabled|type|algorithm|length|bits|store"
    r"|interval|timeout|renewal|ttl|name|regex|keytab)$",
    re.I,
)
HARMLESS_VALUE = re.compile(r"(?:true|false|\d{0,6}|\d+[smhd]|NONE)?", re.I)
VALUE = re.compile(
    rf"://[^/\s:@]*:[^/\s@]+@"  # a URL with user and password
    rf"|[\w.-]*(?:{_WORD})[\w.-]*=\S"  # -Djavax.net.ssl.trustStorePassword=…
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{30,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.",
    re.I,
)
NEXT_STEP = (
    "Give it in the environment (FEED_ETL_SPARK, FEED_ETL_SMTP_URL, AWS_SECRET_ACCESS_KEY, …) or in a private file "
    "that FEED_ETL_SPARK_FILE or FEED_ETL_SMTP_URL_FILE names"
)


def is_secret(name: str, value: object) -> bool:
    """Whether a setting looks like a secret, by its name or by its value."""
    if VALUE.search(str(value)):
        return True
    return bool(NAME.search(name) and not NOT_SECRET.search(name) and not HARMLESS_VALUE.fullmatch(str(value)))


def found(settings: Any) -> Iterator[str]:
    """The keys (`spark.spark.ssl.keyPassword`) of settings as YAML gives them that look like secrets."""
    waiting, seen = [("", settings)], set()
    while waiting:
        path, value = waiting.pop()
        if not isinstance(value, dict | list):
            if is_secret(path, value):
                yield path
        elif id(value) not in seen:  # an alias of YAML's may lead back to where it stands
            seen.add(id(value))
            named = value.items() if isinstance(value, dict) else (("", part) for part in value)
            waiting += [(".".join(filter(None, (path, str(name)))), part) for name, part in named]


def refuse(where: str, settings: Any) -> None:
    """Raises ConfigError, with the key and without the value, when a secret stands where all can read it."""
    for key in found(settings):
        raise ConfigError(f"{where}, key {key!r}: looks like a secret, and must not stand there. {NEXT_STEP}.")


def from_environment(name: str) -> str:
    """A secret from the variable, or from the file that NAME_FILE names; empty when there is none of both.

    Raises ConfigError when the file cannot be read, or others than its owner may read it.
    """
    text, file = os.environ.get(name, "").strip(), os.environ.get(f"{name}_FILE", "").strip()
    return text or (read(Path(file)) if file else "")


def read(file: Path) -> str:
    """What a private file holds."""
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"The file of a secret {file} cannot be read: {first_line(error)}.") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"The file of a secret {file} may be read by others than its owner: `chmod 600 {file}`.")
    return text
