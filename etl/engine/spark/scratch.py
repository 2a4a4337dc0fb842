"""A private folder for the temporary files of one process; folders of dead processes are removed by the next one.

`<base>/<host>-<pid>-<random>/` belongs to the process that holds a lock on `<base>/<same name>.lock`. The lock file
also lists the process's JVM and the data files that it staged in tables: a killed process leaves these, too.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import secrets
import shutil
import socket
import stat
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.errors import ConfigError

_mine: dict[int, Process] = {}
_lock = threading.Lock()


@dataclass
class Process:
    """The folder of a process, and its lock file, open and locked as long as the process lives."""

    folder: Path
    file: int
    jvm: tuple[int, str] | None = None

    def note(self, line: dict[str, Any]) -> None:
        """Append a line to the lock file."""
        os.write(self.file, (json.dumps(line) + "\n").encode())

    def note_jvm(self, pid: int) -> None:
        """Keep which JVM works in the folder: it may outlive its Python for a moment."""
        if self.jvm is None:
            self.jvm = (pid, started(pid))
            self.note({"jvm": self.jvm})

    def end(self) -> None:
        """Say that nothing staged is left over. The JVM still works in the folder, so the next process removes it."""
        os.ftruncate(self.file, 0)
        if self.jvm:
            self.note({"jvm": self.jvm})


@dataclass
class Dead:
    """What a dead process left: the data files it staged, by the URI of their table."""

    lock: Path
    staged: list[tuple[str, list[str]]] = field(default_factory=list)


def base(configured: str | None) -> Path:
    """The folder of all processes of a user, private. Raises ConfigError when it is somebody else's or a link."""
    place = (
        Path(configured.removeprefix("file:")) if configured else Path(tempfile.gettempdir(), f"feed-etl-{os.getuid()}")
    )
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.lstat()
    except OSError as error:
        raise ConfigError(f"The folder for temporary files {place} cannot be made: {error}. Set `scratch`.") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigError(f"{place} is no folder of this user, so temporary files cannot go there. Set `scratch`.")
    place.chmod(0o700)
    return place


def this_process(configured: str | None) -> Process:
    """The folder of this process, made once."""
    with _lock:
        if os.getpid() not in _mine:
            _mine[os.getpid()] = made = _make(base(configured))
            atexit.register(_end, os.getpid(), made)
        return _mine[os.getpid()]


def current() -> Process | None:
    """The folder of this process, if it has one."""
    return _mine.get(os.getpid())


def _end(pid: int, made: Process) -> None:
    if pid == os.getpid():  # a forked child leaves its parent's alone
        made.end()


def _make(place: Path) -> Process:
    folder = place / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    while True:
        file = os.open(lock_of(folder), os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink:  # else a cleaner took it for a dead one's before it was locked
            break
        os.close(file)
    folder.mkdir(mode=0o700)
    return Process(folder, file)


def lock_of(folder: Path) -> Path:
    """The lock file of a process's folder."""
    return folder.with_name(f"{folder.name}.lock")


def dead_processes(configured: str | None) -> list[Dead]:
    """Dead processes; their folders are removed, their lock files stay until `forget`."""
    return [found for lock in sorted(base(configured).glob("*.lock")) if (found := _dead(lock))]


def remove_dead_folders(configured: str | None) -> None:
    """Remove the folders of dead processes, and all that is known of those that staged nothing."""
    for process in dead_processes(configured):
        if not process.staged:
            forget(process)


def forget(process: Dead) -> None:
    """Nothing more is to be done of a dead process."""
    process.lock.unlink(missing_ok=True)


def _dead(lock: Path) -> Dead | None:
    """What a process left, if it is provably dead: its lock is free, and its JVM is gone."""
    try:
        file = os.open(lock, os.O_RDONLY)
    except OSError:  # ended meanwhile
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lines = _lines(lock)
        if any(_lives(*line["jvm"]) for line in lines if "jvm" in line):
            return None
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        return Dead(lock, [(line["table"], line["files"]) for line in lines if "table" in line])
    except BlockingIOError:
        return None
    finally:
        os.close(file)


def _lines(lock: Path) -> list[dict[str, Any]]:
    """The whole lines of a lock file: the last one may be half written."""
    found = []
    for line in lock.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def started(pid: int) -> str:
    """When a process began, in the kernel's ticks, so that another one of its number is told apart; empty: unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def _lives(pid: int, began: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not began or started(pid) in ("", began)
