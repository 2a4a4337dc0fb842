"""A private folder for the temporary files of one process. The next process removes the folders of dead processes.

The folder `<base>/<host>-<pid>-<random>/` belongs to the process that holds the lock on `<base>/<same name>.lock`. The
lock file also lists the JVM of the process and the data files that it staged in tables, because a killed process
leaves these behind, too.
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

_processes: dict[int, Process] = {}  # by process id: a forked child gets a folder of its own
_lock = threading.Lock()


@dataclass
class Process:
    """The folder of a process, and the descriptor of its lock file, which stays locked while the process lives.

    `jvm` is the process id of its JVM and the JVM's start time.
    """

    folder: Path
    file: int
    jvm: tuple[int, str] | None = None

    def note(self, line: dict[str, Any]) -> None:
        """Append a line of JSON to the lock file."""
        os.write(self.file, (json.dumps(line) + "\n").encode())

    def note_jvm(self, pid: int) -> None:
        """List the JVM that uses the folder: it may live a moment longer than the Python process."""
        if self.jvm is None:
            self.jvm = (pid, start_time(pid))
            self.note({"jvm": self.jvm})

    def end(self) -> None:
        """Clear the list of staged files at a normal exit. The next process removes the folder."""
        os.ftruncate(self.file, 0)
        if self.jvm:
            self.note({"jvm": self.jvm})


@dataclass
class DeadProcess:
    """A dead process: its lock file and the data files that it staged, as (URI of the table, paths)."""

    lock: Path
    staged: list[tuple[str, list[str]]] = field(default_factory=list)


def base(configured: str | None) -> Path:
    """The folder of all processes of a user, created with mode 700; by default in the system's temporary folder.

    Raises ConfigError when it cannot be created, belongs to another user, or is a link.
    """
    folder = (
        Path(configured.removeprefix("file:")) if configured else Path(tempfile.gettempdir(), f"feed-etl-{os.getuid()}")
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise ConfigError(
            f"The folder for temporary files {folder} cannot be created: {error}. Set `scratch` in conf/ to another "
            "one."
        ) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise ConfigError(
            f"{folder} is not a folder of this user, so it is not used for temporary files. Set `scratch` in conf/ to "
            "another one."
        )
    folder.chmod(0o700)
    return folder


def this_process(configured: str | None) -> Process:
    """The folder of this process, created at the first call."""
    with _lock:
        if os.getpid() not in _processes:
            _processes[os.getpid()] = process = _create(base(configured))
            atexit.register(_end, os.getpid(), process)
        return _processes[os.getpid()]


def current() -> Process | None:
    """The folder of this process; None when it has none yet."""
    return _processes.get(os.getpid())


def _end(pid: int, process: Process) -> None:
    if pid == os.getpid():  # a forked child must not touch the lock file of its parent
        process.end()


def _create(parent: Path) -> Process:
    folder = parent / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    while True:
        file = os.open(lock_of(folder), os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink:  # 0: another process deleted the file before it was locked
            break
        os.close(file)
    folder.mkdir(mode=0o700)
    return Process(folder, file)


def lock_of(folder: Path) -> Path:
    """The lock file of a process's folder."""
    return folder.with_name(f"{folder.name}.lock")


def dead_processes(configured: str | None) -> list[DeadProcess]:
    """Remove the folders of dead processes; returns the processes. Their lock files stay until `forget`."""
    return [process for lock in sorted(base(configured).glob("*.lock")) if (process := _dead(lock))]


def remove_dead_folders(configured: str | None) -> None:
    """Remove the folders of dead processes, and the lock files of those that staged no files."""
    for process in dead_processes(configured):
        if not process.staged:
            forget(process)


def forget(process: DeadProcess) -> None:
    """Remove the lock file of a dead process, after its staged files were handled."""
    process.lock.unlink(missing_ok=True)


def _dead(lock: Path) -> DeadProcess | None:
    """Remove the folder of a process if it is dead: its lock is free and its JVM has ended. None if it may live."""
    try:
        file = os.open(lock, os.O_RDONLY)
    except OSError:  # another process removed it in the meantime
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lines = _lines(lock)
        if any(_is_alive(*line["jvm"]) for line in lines if "jvm" in line):
            return None
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        return DeadProcess(lock, [(line["table"], line["files"]) for line in lines if "table" in line])
    except BlockingIOError:
        return None
    finally:
        os.close(file)


def _lines(lock: Path) -> list[dict[str, Any]]:
    """The complete lines of a lock file. The last line may be incomplete when the process was killed."""
    lines = []
    for line in lock.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def start_time(pid: int) -> str:
    """The start time of a process in clock ticks since boot; empty when unknown.

    It distinguishes a process from a later one with the same id.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def _is_alive(pid: int, started: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not started or start_time(pid) in ("", started)
