"""Finds and creates the secret keys of a lake. Keys are never stored in the lake.

The pseudonym key comes from an environment variable or from a file that another variable names. Pseudonyms and
sketches are made with it. A lake without a pseudonym key gets an erasure key, in a file of the user, when a person is
erased from it: without a key, anybody could find the erased people in the list by trying ids.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from etl.conf import Settings
from etl.engine.spark import files
from etl.errors import ConfigError, first_line

SECRET = "FEED_ETL_PSEUDONYM_KEY"
FILE = f"{SECRET}_FILE"
FOLDER = "FEED_ETL_KEYS"
MIN_LENGTH = 32  # characters; somebody could guess a shorter key from its fingerprint


def pseudonym_key() -> bytes | None:
    """The pseudonym key of this environment; None when there is none.

    Raises ConfigError when the key is too short, its file cannot be read, or two variables name different keys.
    The error does not contain the key.
    """
    text, file = os.environ.get(SECRET, "").strip(), os.environ.get(FILE, "").strip()
    if text and file and text.encode() != read(Path(file)):
        raise ConfigError(f"{SECRET} and {FILE} name two different keys. Unset one of them.")
    return read(Path(file)) if file and not text else _checked(text, SECRET)


def read(file: Path) -> bytes:
    """The key in a file. Raises ConfigError when there is none or it is too short. The error does not contain it."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"The key file {file} cannot be read: {first_line(error)}.") from None
    secret = _checked(text, str(file))
    if secret is None:
        raise ConfigError(f"The key file {file} is empty. Write a key into it, e.g. from `openssl rand -hex 32`.")
    return secret


def _checked(text: str, where: str) -> bytes | None:
    """The key as bytes; None for an empty text. Raises ConfigError when it is too short."""
    if text and len(text) < MIN_LENGTH:
        raise ConfigError(f"{where} must have {MIN_LENGTH} characters or more, e.g. from `openssl rand -hex 32`.")
    return text.encode() or None


def fingerprint(secret: bytes) -> str:
    """A hash that a table stores to recognize its key. Nobody can find the key by it."""
    return hashlib.sha256(b"feed-etl " + secret).hexdigest()[:16]


def key_file(lake: str, purpose: str) -> Path:
    """The file of this user for a key of a lake. `purpose` is `pseudonyms` or `erasure`."""
    home = os.environ.get(FOLDER) or Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "feed-etl")
    return Path(home) / f"{hashlib.sha256(files.absolute(lake).encode()).hexdigest()[:16]}.{purpose}.key"


def use_demo_key(lake: str) -> None:
    """Use the pseudonym key that `feed-etl demo` created for a lake, unless the environment names one."""
    if not os.environ.get(SECRET) and not os.environ.get(FILE) and key_file(lake, "pseudonyms").is_file():
        os.environ[FILE] = str(key_file(lake, "pseudonyms"))


def create_demo_keys(lakes: list[str]) -> None:
    """Create one pseudonym key for all these lakes and use it. Nothing happens when a lake exists without a key."""
    if os.environ.get(SECRET) or os.environ.get(FILE):
        return
    key_files = {lake: key_file(lake, "pseudonyms") for lake in lakes}
    if any(not file.exists() and files.local_folder(lake).exists() for lake, file in key_files.items()):
        return
    existing = [read(file).decode() for file in key_files.values() if file.exists()]
    for file in key_files.values():
        create(file, existing[0] if existing else None)
        existing = existing or [read(file).decode()]
    os.environ[FILE] = str(key_files[lakes[0]])


def create(file: Path, text: str | None = None) -> bytes:
    """Create a key file that only this user can read, unless it exists; returns its key.

    When two processes do this at once, both get the same key.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
        out.write(f"{text or secrets.token_hex(32)}\n")
    try:
        os.link(new, file)
    except FileExistsError:
        pass
    finally:
        new.unlink()
    return read(file)


def refuse_inside(settings: Settings) -> None:
    """Raises ConfigError when a key file is in the lake or the landing zone: who reads the data could read the key."""
    configured = os.environ.get(FILE, "").strip()
    for file in filter(None, [configured, str(key_file(settings.lake, "erasure"))]):
        for root in (settings.lake, settings.landing):
            if (folder := files.local_or_none(root)) and _is_below(Path(file), folder):
                raise ConfigError(f"The key file {file} is inside {root}. Move it to a folder that only the runs read.")


def _is_below(file: Path, folder: Path) -> bool:
    return file.resolve().is_relative_to(folder.resolve())
