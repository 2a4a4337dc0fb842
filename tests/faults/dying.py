"""Runs `feed-etl` and kills it with its JVM at a named step of one table.

Usage: `python dying.py STEP TABLE ARGUMENTS...`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from etl import cli
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import insert, run_context
from etl.engine.state import ledger

SHORTLY = 0.02  # seconds into a commit


def die() -> None:
    """Kill the whole process group at once, without any cleanup."""
    os.killpg(os.getpgid(0), signal.SIGKILL)


def die_shortly() -> None:
    """Kill the process group after a short delay, while the caller continues."""
    threading.Timer(SHORTLY, die).start()


def wrap(
    owner: Any, name: str, meant: Callable[..., bool], before: bool = False, kill: Callable[[], None] = die
) -> None:
    """Kill the process before or after a call for which `meant` returns true."""
    called = getattr(owner, name)

    def dying(*args: Any, **named: Any) -> Any:
        if before and meant(*args):
            kill()
        result = called(*args, **named)
        if not before and meant(*args):
            kill()
        return result

    setattr(owner, name, dying)


def arm(step: str, table: str) -> None:
    """Arrange that the process dies at a step of a table."""
    of_transaction = lambda txn, *_: txn.uri.endswith(f"/{table}")  # noqa: E731
    of_entry = lambda _, entry, *__: entry.table_name == table  # noqa: E731
    of_table = lambda _, audited, *__: audited.name == table  # noqa: E731

    def audited() -> None:
        for owner in (run_context, insert):
            wrap(owner, "enforce", of_table)

    steps: dict[str, Callable[[], None]] = {
        "staged": lambda: wrap(Transaction, "stage", of_transaction),
        "audited": audited,
        "publishing": lambda: wrap(Transaction, "commit", of_transaction, before=True, kill=die_shortly),
        "published": lambda: wrap(Transaction, "commit", of_transaction),
        "recorded": lambda: wrap(ledger.Ledger, "append", of_entry),
        "ledger written": lambda: wrap(ledger.Ledger, "flush", lambda *_: True),
    }
    steps[step]()


if __name__ == "__main__":
    arm(sys.argv[1], sys.argv[2])
    sys.argv = ["feed-etl", *sys.argv[3:]]
    cli.main()
