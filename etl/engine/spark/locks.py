"""A lock that processes of one machine hold in turn: waited for so long and no longer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from etl.errors import ConflictError

MINUTES = 30.0
"""How long a lock is waited for where conf says nothing: a commit takes seconds."""
TABLE = Path("/proc/locks")


@contextmanager
def held(path: Path, minutes: float = MINUTES) -> Iterator[None]:
    """Hold a lock file's lock; it goes with the process. Raises ConflictError, which names who has it, when it waits
    too long. The file may be read and written by whoever may do so in its folder."""
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
    """Which process has a lock, as far as the system says."""
    try:
        inode = str(path.stat().st_ino)  # a device may have another number there than here
        lines = (line.split() for line in TABLE.read_text().splitlines() if "->" not in line)
        pids = {int(words[4]) for words in lines if words[5].endswith(f":{inode}")}
    except (OSError, ValueError, IndexError):
        pids = set()
    names = ", ".join(f"process {pid} ({_name(pid)})" for pid in sorted(pids) if pid > 0)
    return names or "a process that cannot be told"


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "ended or not to be seen"
