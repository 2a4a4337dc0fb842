"""Checks of the machine: packages, Java, JARs, memory, and the ports that Spark is configured to listen on."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from etl.conf import Settings
from etl.doctor.finding import Finding, failed, ok, warning
from etl.engine.spark import compatibility, java
from etl.engine.spark.jars import JARS, S3_LOCK, Jar, locked
from etl.engine.spark.java import SHARE, SYSTEM_JVMS

MEMORY_FILES = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Limits of a container; the second one is of older kernels."""
USUAL_SHARE = 0.8
"""Share of the memory that the driver may be given; the rest is for Python and the system."""
LOOPBACK = "127.0.0.1"
PORTS = {"spark.driver.port": "", "spark.blockManager.port": "", "spark.driver.blockManager.port": "",
         "spark.ui.port": "spark.ui.enabled"}  # fmt: skip
"""Setting with a port that the driver listens on (0: any free port) -> the setting that must be `true` for that."""
JAVA_STEP = "Install Java 17 or newer and run `make setup`, or set JAVA_HOME to one."


def packages() -> Iterator[Finding]:
    """Whether Spark and Delta are a pair that this release supports."""
    try:
        spark, delta = version("pyspark"), version("delta-spark")
    except PackageNotFoundError as error:
        yield failed("packages", f"the package {error.name} is not installed", "Run `make setup`.")
        return
    if compatibility.SUPPORTED.get(spark) != delta:
        yield failed("packages", f"Spark {spark} with Delta {delta} is not supported", "Run `make setup`.")
    else:
        yield ok("packages", f"Spark {spark}, Delta {delta}")


def java_home(
    share: Path = SHARE, system_jvms: Path = SYSTEM_JVMS, environ: Mapping[str, str] = os.environ
) -> Iterator[Finding]:
    """Whether a Java that Spark can use is found, and whether JAVA_HOME names another one."""
    chosen, home = environ.get("JAVA_HOME"), java.find_java(share, system_jvms, environ)
    fault = java.fault(Path(chosen)) if chosen else ""
    if home is None:
        of_home = f"; JAVA_HOME {chosen}: {fault}" if fault else ""
        yield failed("java", f"no Java that Spark can use{of_home}", JAVA_STEP)
    elif found := java.fault(home):
        yield failed("java", f"{home}: {found}", JAVA_STEP)
    elif fault:
        step = "Set JAVA_HOME to that one, or unset it: spark-submit and Airflow take JAVA_HOME as it is."
        yield warning("java", f"JAVA_HOME {chosen}: {fault}; {home} is used instead", step)
    else:
        yield ok("java", str(home))


def jars(settings: Settings | None, folder: Path = SHARE / "jars") -> Iterator[Finding]:
    """Whether the JARs that a session needs are there, with the locked checksums."""
    on_s3 = settings is not None and any(uri.startswith("s3a:") for uri in (settings.lake, settings.landing))
    of_every, of_s3 = JARS, locked(S3_LOCK) if on_s3 else ()
    missing = [jar for jar in (*of_every, *of_s3) if not (folder / jar.file_name).is_file()]
    needed = [jar for jar in (*of_every, *of_s3) if jar not in missing]
    damaged = [jar for jar in needed if not _is_whole(jar, folder)]
    if set(missing) & set(of_every):
        yield failed("jars", f"missing in {folder}: {_some(missing)}", "Run `make setup`, which downloads them.")
    elif missing:
        step = "The first run downloads them: this machine must then reach Maven Central or its mirror."
        yield warning("jars", f"those for S3 are missing in {folder}: {_some(missing)}", step)
    if damaged:
        step = f"Remove {folder / damaged[0].file_name} and run `make setup`."
        yield failed("jars", f"damaged in {folder}: {_some(damaged)}", step)
    if not missing and not damaged:
        yield ok("jars", f"{len(needed)} JARs with their locked checksums")


def _is_whole(jar: Jar, folder: Path) -> bool:
    return hashlib.sha256((folder / jar.file_name).read_bytes()).hexdigest() == jar.sha256


def _some(found: Sequence[Jar]) -> str:
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0].file_name}{more}"


def memory(settings: Settings, total: int | None = None) -> Iterator[Finding]:
    """Whether the driver's memory fits into this machine or container."""
    total = total or _memory()
    wanted = int(settings.driver_memory[:-1]) << (30 if settings.driver_memory.endswith("g") else 20)
    what = f"driver_memory is {settings.driver_memory}, the machine has {total / (1 << 30):.1f} GB"
    step = "Lower driver_memory (FEED_ETL_DRIVER_MEMORY), or give the machine or container more."
    if wanted > total:
        yield failed("memory", what, step)
    elif wanted > USUAL_SHARE * total:
        yield warning("memory", f"{what}: little is left for Python and the system", step)
    else:
        yield ok("memory", what)


def _memory() -> int:
    """Bytes of memory of this machine, or of its container when that has less."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in MEMORY_FILES:
        if file.is_file() and (text := file.read_text().strip()).isdecimal():
            found.append(int(text))
    return min(found)


def ports(settings: Settings) -> Iterator[Finding]:
    """Whether the driver can listen on the loopback interface, and on the ports that conf/ names."""
    if not _is_free(0):
        yield failed("ports", f"no port of {LOOPBACK} can be opened", "Bring the loopback interface up (`ip link`).")
        return
    fixed = {name: int(settings.spark[name]) for name, switch in PORTS.items() if _is_set(settings, name, switch)}
    taken = {name: port for name, port in fixed.items() if not _is_free(port)}
    for name, port in taken.items():
        step = f"End the program that listens there (`ss -ltnp`), or remove {name} from `spark` in conf/."
        yield failed("ports", f"{name} {port} is taken", step)
    if not taken:
        yield ok("ports", ", ".join(f"{name} {port}" for name, port in fixed.items()) or "Spark takes free ports")


def _is_set(settings: Settings, name: str, switch: str) -> bool:
    port = settings.spark.get(name, "0")
    return port.isdecimal() and int(port) > 0 and (not switch or settings.spark.get(switch) == "true")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: a closed connection is no obstacle
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
