"""Records the file-system calls of Python and of the JVM below one folder, and makes one of them fail."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import pyspark
from faults.injection import callers
from pyspark.sql import SparkSession

SOURCES = Path(__file__).with_name("java")
WATCHED = {"open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.mkdir", "os.rmdir"}
RUN_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27,}|\d{20}|part-\d+|\.[0-9a-f]{8,}")


def compiled(folder: Path) -> Path:
    """Compile the failing file systems. Returns the class folder. Raises FileNotFoundError without a Java compiler."""
    compiler = shutil.which("javac")
    if compiler is None:
        raise FileNotFoundError("javac")
    jars = Path(pyspark.__file__).parent / "jars"
    sources = [str(source) for source in SOURCES.rglob("*.java")]
    subprocess.run([compiler, "-cp", f"{jars}/*", "-d", str(folder), *sources], check=True)
    return folder


def options(classes: Path) -> dict[str, str]:
    """Spark settings that route all calls to the local file system through the failing file systems."""
    return {
        "spark.driver.extraClassPath": str(classes),
        "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.local.FailingFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.file.impl": "org.apache.hadoop.fs.local.FailingLocalFs",
    }


class Call(NamedTuple):
    """A call: its kind, its occurrence number, and the functions of the project that make it (if recorded)."""

    kind: str
    nth: int
    caller: str = ""


class Calls:
    """The calls below a folder while armed. A kind is an operation and a path without ids, versions and tasks."""

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self._java = getattr(spark._jvm, "org.apache.hadoop.fs.local.Faults")
        self._below, self._wanted, self._nth, self._seen = "", "", 0, 0
        self._found: list[tuple[str, str]] = []
        self._callers: list[str] = []
        sys.addaudithook(self._audit)

    def arm(self, below: Path, kind: str = "", nth: int = 1) -> None:
        """Record calls from now on, and fail the nth call of a kind."""
        self._wanted, self._nth, self._seen, self._found, self._callers = kind, nth, 0, [], []
        self._java.arm(str(below), kind, nth)
        self._below = str(below)

    def disarm(self) -> list[Call]:
        """Stop failing calls. Returns every call."""
        self._below = ""
        self._java.disarm()
        counted: Counter[str] = Counter()
        found = []
        for kind, caller in [*zip_longest(self._java.calls(), self._callers, fillvalue=""), *self._found]:
            counted[kind] += 1
            found.append(Call(kind, counted[kind], caller))
        return found

    @contextmanager
    def recording(self, below: Path) -> Iterator[None]:
        """Record calls with their callers."""
        self.arm(below)
        with callers.attributed(self._java.count, self._callers):
            yield

    @property
    def fired(self) -> bool:
        """Whether the call that had to fail was made."""
        return bool(self._java.fired()) or bool(self._wanted and self._seen >= self._nth)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._below or event not in WATCHED or not isinstance(arguments[0], str):
            return
        path = str(arguments[1]) if event == "os.rename" else arguments[0]
        if not path.startswith(self._below):
            return
        kind = f"python {event} {RUN_ID.sub('#', path[len(self._below) :])}"
        self._found.append((kind, callers.caller()))
        if kind == self._wanted:
            self._seen += 1
            if self._seen == self._nth:
                raise OSError(errno.EIO, f"injected fault: {kind}", path)
