"""Finds a Java that Spark can run on. On a machine without one the user gets one line instead of a traceback.

Spark 4 needs Java 17 or newer with the module `jdk.incubator.vector`. Reduced runtimes lack this module and fail only
when Spark starts, so this module lists the modules of each candidate. Set-up records the Java that it found; later
runs use it without a check.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from etl.errors import ConfigError

MIN_VERSION = 17
REQUIRED_MODULE = "jdk.incubator.vector"
SHARE = Path(sys.prefix, "share", "feed-etl")
"""The folder where set-up stores everything that is not a Python package: JARs, the CDS archive, the Java record."""
SYSTEM_JVMS = Path("/usr/lib/jvm")
MACOS_JAVA_HOME = Path("/usr/libexec/java_home")

MISSING = (
    f"No Java was found that Spark can use. Spark needs Java {MIN_VERSION} or newer with the module {REQUIRED_MODULE}. "
    "Install it (Debian, Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17) "
    "or set JAVA_HOME to it, then run `make setup`"
)


def _output(*command: str | Path) -> str:
    """The standard output of a command; empty when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def is_usable(home: Path) -> bool:
    """Whether Spark can run on the Java at `home`: its version is high enough and it has the required module."""
    return not fault(home)


def fault(home: Path) -> str:
    """Why Spark cannot run on the Java at `home`; empty when it can."""
    modules = _output(home / "bin" / "java", "--list-modules")
    version = re.search(r"^java\.base@(\d+)", modules, re.MULTILINE)
    if version is None:
        return "there is no bin/java of Java 9 or newer that runs"
    if int(version[1]) < MIN_VERSION:
        return f"it is Java {version[1]}, older than {MIN_VERSION}"
    return "" if f"{REQUIRED_MODULE}@" in modules else f"it lacks the module {REQUIRED_MODULE}"


def _recorded(share: Path) -> Path | None:
    """The Java home that set-up recorded; None when there is no record or no Java in that folder any more."""
    record = share / "java_home"
    if not record.is_file():
        return None
    home = Path(record.read_text(encoding="utf-8").strip())
    return home if os.access(home / "bin" / "java", os.X_OK) else None


def _candidates(share: Path, system_jvms: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Java homes to check, in order of preference."""
    if on_path := shutil.which("java", path=environ.get("PATH", "")):
        yield Path(on_path).resolve().parent.parent
    yield from sorted(path for path in system_jvms.glob("*") if path.is_dir())
    if MACOS_JAVA_HOME.exists() and (home := _output(MACOS_JAVA_HOME, "-v", f"{MIN_VERSION}+").strip()):
        yield Path(home)
    yield from sorted((share / "java").glob("*"))


def find_java(
    share: Path = SHARE, system_jvms: Path = SYSTEM_JVMS, environ: Mapping[str, str] = os.environ
) -> Path | None:
    """The home of a Java that Spark can use; None when there is none.

    The order of preference: $JAVA_HOME, the record of set-up under `share`, PATH, `system_jvms`, macOS's `java_home`
    program, and a Java unpacked under `share/java`.
    """
    explicit = environ.get("JAVA_HOME")
    if explicit and is_usable(Path(explicit)):
        return Path(explicit)
    if recorded := _recorded(share):
        return recorded
    return next(filter(is_usable, _candidates(share, system_jvms, environ)), None)


def require_java(share: Path = SHARE, system_jvms: Path = SYSTEM_JVMS, environ: Mapping[str, str] = os.environ) -> Path:
    """`find_java`, but raises ConfigError with installation instructions when there is none."""
    home = find_java(share, system_jvms, environ)
    if home is None:
        raise ConfigError(MISSING)
    return home


def record_java(home: Path, share: Path = SHARE) -> None:
    """Record the Java home for later runs. Writes and prints only when it has changed."""
    record = share / "java_home"
    if _recorded(share) != home:
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(f"{home}\n", encoding="utf-8")
        print(f"feed-etl: Java for Spark is {home}")


def main() -> int:
    """The step of `make setup` that finds and records Java. With --quiet a missing Java is only an exit code."""
    try:
        record_java(require_java())
    except ConfigError as error:
        if "--quiet" not in sys.argv:
            print(f"feed-etl: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
