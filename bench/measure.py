"""Runs one contender in its own process, and measures seconds, peak memory of its process tree, and bytes of I/O."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

POLL_SECONDS = 0.2


@dataclass
class Measured:
    """One run: `seconds` of work, and `session` seconds to start before it."""

    seconds: float
    session: float
    tables: dict[str, Any]
    peak_bytes: int
    read_bytes: int
    written_bytes: int


@dataclass
class Watch:
    """Peak memory and I/O bytes of a process and its children. `passed` maps a process id to bytes (read, written)."""

    peak: int = 0
    passed: dict[int, tuple[int, int]] = field(default_factory=dict)

    def look(self, root: psutil.Process) -> None:
        """Take one sample."""
        total = 0
        for process in [root, *root.children(recursive=True)]:
            try:
                total += process.memory_info().rss
                io = process.io_counters()
                self.passed[process.pid] = io.read_chars, io.write_chars
            except psutil.Error:
                continue
        self.peak = max(self.peak, total)


def run(module: str, *arguments: str) -> Measured:
    """Run `python -m module`. Raises RuntimeError with the end of its stderr when it fails."""
    with tempfile.TemporaryFile("w+") as messages:
        command = [sys.executable, "-m", module, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages, text=True, cwd=Path.cwd())
        watch, done = Watch(), threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, watch, done))
        watcher.start()
        output = process.communicate()[0]
        done.set()
        watcher.join()
        if process.returncode:
            messages.seek(0)
            raise RuntimeError(f"{module} failed: {messages.read()[-2000:]}")
    figures = json.loads(output.strip().splitlines()[-1])
    read, written = (sum(pair[i] for pair in watch.passed.values()) for i in (0, 1))
    return Measured(figures["seconds"], figures["session"], figures["tables"], watch.peak, read, written)


def _watch(pid: int, watch: Watch, done: threading.Event) -> None:
    root = psutil.Process(pid)
    while not done.wait(POLL_SECONDS):
        try:
            watch.look(root)
        except psutil.NoSuchProcess:
            return
