"""Where secret keys of a lake are: the environment, a file it names, or a file of this user's; never in the lake.

The pseudonym key makes pseudonyms and sketches. A lake made without one has an erasure key all the same, once somebody
was erased from it: else the list of erased people could be read back by trying ids.
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
MIN_LENGTH = 32  # characters; a shorter key could be guessed from its fingerprint


def pseudonym_key() -> bytes | None:
    """The pseudonym key of this place, None when there is none. Raises ConfigError, without the key."""
    text, file = os.environ.get(SECRET, "").strip(), os.environ.get(FILE, "").strip()
    if text and file and text.encode() != read(Path(file)):
        raise ConfigError(f"{SECRET} and {FILE} name two different keys: unset one of them.")
    return read(Path(file)) if file and not text else _checked(text, SECRET)


def read(file: Path) -> bytes:
    """The key in a file. Raises ConfigError, without the key, when there is none or it is too short."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"The key file {file} cannot be read: {first_line(error)}.") from None
    found = _checked(text, str(file))
    if found is None:
        raise ConfigError(f"The key file {file} is empty. Write a key into it, e.g. of `openssl rand -hex 32`.")
    return found


def _checked(text: str, where: str) -> bytes | None:
    if text and len(text) < MIN_LENGTH:
        raise ConfigError(f"{where} must have {MIN_LENGTH} characters or more, e.g. of `openssl rand -hex 32`.")
    return text.encode() or None


def fingerprint(secret: bytes) -> str:
    """What a table may say of its key: enough to know it again, nothing to find it by."""
    return hashlib.sha256(b"feed-etl " + secret).hexdigest()[:16]


def key_file(lake: str, what: str) -> Path:
    """The file this user keeps a key of a lake in: `pseudonyms` or `erasure`."""
    home = os.environ.get(FOLDER) or Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "feed-etl")
    return Path(home) / f"{hashlib.sha256(files.absolute(lake).encode()).hexdigest()[:16]}.{what}.key"


def use_demo_key(lake: str) -> None:
    """Use the pseudonym key that `feed-etl demo` made for a lake, unless the environment names one."""
    if not os.environ.get(SECRET) and not os.environ.get(FILE) and key_file(lake, "pseudonyms").is_file():
        os.environ[FILE] = str(key_file(lake, "pseudonyms"))


def create_demo_keys(lakes: list[str]) -> None:
    """Make one pseudonym key for lakes that are new, and use it. What was made without a key goes on without one."""
    if os.environ.get(SECRET) or os.environ.get(FILE):
        return
    own = {lake: key_file(lake, "pseudonyms") for lake in lakes}
    if any(not file.exists() and files.local_folder(lake).exists() for lake, file in own.items()):
        return
    there = [read(file).decode() for file in own.values() if file.exists()]
    for file in own.values():
        create(file, there[0] if there else None)
        there = there or [read(file).decode()]
    os.environ[FILE] = str(own[lakes[0]])


def create(file: Path, text: str | None = None) -> bytes:
    """Make a key that only this user can read; the one that is there already stays. Of two at once one is made."""
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
    """Raises ConfigError when a key file lies in the lake or the landing zone: it would be read with the data."""
    named = os.environ.get(FILE, "").strip()
    for file in filter(None, [named, str(key_file(settings.lake, "erasure"))]):
        for place in (settings.lake, settings.landing):
            if files.absolute(place).startswith("file:") and _is_below(Path(file), files.local_folder(place)):
                raise ConfigError(f"The key file {file} lies in {place}: move it to where only the runs can read.")


def _is_below(file: Path, folder: Path) -> bool:
    return file.resolve().is_relative_to(folder.resolve())
