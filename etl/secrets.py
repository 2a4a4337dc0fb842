"""Secrets: how to recognize them, where they are allowed, and how to read them from a private file.

Secrets come from the environment or from private files. They never come from conf/, because conf/ is committed, copied
and printed.
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
# Names that describe a secret but do not contain it: its file, its provider, its length.
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
    "Put it in the environment (FEED_ETL_SPARK, FEED_ETL_SMTP_URL, AWS_SECRET_ACCESS_KEY, …) or in a private file "
    "that FEED_ETL_SPARK_FILE or FEED_ETL_SMTP_URL_FILE names"
)


def is_secret(name: str, value: object) -> bool:
    """Whether the name or the value of a setting looks like a secret."""
    if VALUE.search(str(value)):
        return True
    return bool(NAME.search(name) and not NOT_SECRET.search(name) and not HARMLESS_VALUE.fullmatch(str(value)))


def found(settings: Any) -> Iterator[str]:
    """The dotted keys of loaded YAML that look like secrets, such as `spark.spark.ssl.keyPassword`."""
    waiting, seen = [("", settings)], set()
    while waiting:
        path, value = waiting.pop()
        if not isinstance(value, dict | list):
            if is_secret(path, value):
                yield path
        elif id(value) not in seen:  # a YAML alias may point back to its own parent
            seen.add(id(value))
            named = value.items() if isinstance(value, dict) else (("", part) for part in value)
            waiting += [(".".join(filter(None, (path, str(name)))), part) for name, part in named]


def refuse(where: str, settings: Any) -> None:
    """Check settings that everybody can read. Raises ConfigError with the key, not the value, for a secret."""
    for key in found(settings):
        raise ConfigError(f"{where}, key {key!r}: looks like a secret, which is not allowed here. {NEXT_STEP}.")


def from_environment(name: str) -> str:
    """A secret from the variable NAME, or from the file that NAME_FILE names. Empty when neither is set.

    Raises ConfigError when the file cannot be read, or when other users can read it.
    """
    text, file = os.environ.get(name, "").strip(), os.environ.get(f"{name}_FILE", "").strip()
    return text or (read(Path(file)) if file else "")


def read(file: Path) -> str:
    """The text of a private file. Raises ConfigError when it cannot be read, or when other users can read it."""
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"The secret file {file} cannot be read: {first_line(error)}.") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"Other users can read the secret file {file}. Run `chmod 600 {file}`.")
    return text
