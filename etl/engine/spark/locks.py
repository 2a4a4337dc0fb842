"""File locks between processes of one machine, with a time limit for waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from etl.errors import ConflictError

MINUTES = 30.0
"""How long a process waits for a lock unless conf sets `lock_minutes`. A commit takes seconds."""
LOCK_TABLE = Path("/proc/locks")


@contextmanager
def held(path: Path, minutes: float = MINUTES) -> Iterator[None]:
    """Hold the lock of a lock file. The lock ends with the process.

    Raises ConflictError, which names the process that holds the lock, after waiting for `minutes`. The lock file has
    the read and write permissions of its folder.
    """
    lock = FileLock(path, timeout=minutes * 60, mode=path.parent.stat().st_mode & 0o666)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConflictError(
            f"{path} has been locked for {minutes:g} minutes by {holder(path)}. End it if it hangs, then run again."
        ) from error
    try:
        yield
    finally:
        lock.release()


def holder(path: Path) -> str:
    """The process that holds a lock, as text, if the operating system tells."""
    try:
        inode = str(path.stat().st_ino)  # the device is not compared: its number in /proc/locks may differ
        lines = (line.split() for line in LOCK_TABLE.read_text().splitlines() if "->" not in line)
        pids = {int(words[4]) for words in lines if words[5].endswith(f":{inode}")}
    except (OSError, ValueError, IndexError):
        pids = set()
    names = ", ".join(f"process {pid} ({_name(pid)})" for pid in sorted(pids) if pid > 0)
    return names or "an unknown process"


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "ended, or not visible to this user"
