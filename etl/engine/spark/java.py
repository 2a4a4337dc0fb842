"""Finds the Java that Spark runs on, so that a machine without one gets a sentence and not a traceback.

Spark 4 needs Java 17 or newer with the module `jdk.incubator.vector`: trimmed runtimes lack it and fail only
once Spark starts, so each candidate is asked for its modules. Set-up records what it found; later runs
trust that.
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

OLDEST = 17
NEEDED_MODULE = "jdk.incubator.vector"
SHARE = Path(sys.prefix, "share", "feed-etl")
"""Where set-up keeps what is not a Python package."""
SYSTEM_JVMS = Path("/usr/lib/jvm")
MACOS_JAVA_HOME = Path("/usr/libexec/java_home")

MISSING = (
    f"no Java that Spark can use was found: it needs {OLDEST} or newer with the module {NEEDED_MODULE}. "
    "Install one (Debian, Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17) "
    "or set JAVA_HOME to it, then run `make setup`"
)


def _output(*command: str | Path) -> str:
    """What a command prints, or nothing when it cannot run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def is_usable(home: Path) -> bool:
    """Whether Spark can run on the Java at `home`: new enough and with the module it asks for."""
    modules = _output(home / "bin" / "java", "--list-modules")
    version = re.search(r"^java\.base@(\d+)", modules, re.MULTILINE)
    return version is not None and int(version[1]) >= OLDEST and f"{NEEDED_MODULE}@" in modules


def _recorded(share: Path) -> Path | None:
    """The home that set-up wrote down, as long as there is still a Java in it."""
    record = share / "java_home"
    if not record.is_file():
        return None
    home = Path(record.read_text(encoding="utf-8").strip())
    return home if os.access(home / "bin" / "java", os.X_OK) else None


def _candidates(share: Path, system_jvms: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Homes to ask, in the order a user would expect one to win."""
    if on_path := shutil.which("java", path=environ.get("PATH", "")):
        yield Path(on_path).resolve().parent.parent
    yield from sorted(path for path in system_jvms.glob("*") if path.is_dir())
    if MACOS_JAVA_HOME.exists() and (home := _output(MACOS_JAVA_HOME, "-v", f"{OLDEST}+").strip()):
        yield Path(home)
    yield from sorted((share / "java").glob("*"))


def find_java(
    share: Path = SHARE, system_jvms: Path = SYSTEM_JVMS, environ: Mapping[str, str] = os.environ
) -> Path | None:
    """The home of a Java that Spark can use, or None.

    A usable $JAVA_HOME wins; then what set-up recorded under `share`; then the PATH, `system_jvms`, macOS's
    own finder, and any Java unpacked under `share/java`.
    """
    explicit = environ.get("JAVA_HOME")
    if explicit and is_usable(Path(explicit)):
        return Path(explicit)
    if recorded := _recorded(share):
        return recorded
    return next(filter(is_usable, _candidates(share, system_jvms, environ)), None)


def require_java(share: Path = SHARE, system_jvms: Path = SYSTEM_JVMS, environ: Mapping[str, str] = os.environ) -> Path:
    """As find_java, but raises ConfigError that says what to install when there is none."""
    home = find_java(share, system_jvms, environ)
    if home is None:
        raise ConfigError(MISSING)
    return home


def record_java(home: Path, share: Path = SHARE) -> None:
    """Write the home down for later runs, once: set-up calls this every time."""
    record = share / "java_home"
    if _recorded(share) != home:
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(f"{home}\n", encoding="utf-8")
        print(f"feed-etl: Java for Spark is {home}")


def main() -> int:
    """Set-up's check. With --quiet a missing Java is only the exit code."""
    try:
        record_java(require_java())
    except ConfigError as error:
        if "--quiet" not in sys.argv:
            print(f"feed-etl: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
