"""JARs with fixed names and checksums, fetched once: Delta's for every session, those of S3 for who is on it.

Delta's POM names thirty-odd JARs (87 MB). Spark ships most of them, in other versions, and one class in two
versions is trouble to come; these ten (15 MB) are what is left. Hadoop's for S3 names all of Amazon's SDK in one
JAR; `s3-jars.lock` has the 36 parts (12 MB) that are used. Fetching uses Spark's own resolver, so a
mirror set for Spark (`spark.jars.ivySettings` or `spark.jars.repositories` in spark-defaults.conf) holds.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from etl.engine.spark.java import SHARE, require_java
from etl.errors import ConfigError


class Jar(NamedTuple):
    """One locked artifact."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinates(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        """As Spark's resolver names it."""
        return f"{self.group}_{self.artifact}-{self.version}.jar"


JARS = (
    Jar(
        "io.delta",
        "delta-spark_4.2_2.13",
        "4.4.0",
        "27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead",
    ),
    Jar(
        "io.delta",
        "delta-storage",
        "4.4.0",
        "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
    ),
    Jar(
        "io.delta",
        "delta-kernel-api",
        "4.4.0",
        "ee9b5a14ac3b7efdff4d61a58478fe8eb0e5a3fbca43889dca7290795fe79a11",
    ),
    Jar(
        "io.delta",
        "delta-kernel-defaults",
        "4.4.0",
        "225c975199e4718b38ee5b7e6da7f19e9585024262b2cec2656b32151a856b0b",
    ),
    Jar(
        "io.delta",
        "delta-kernel-unitycatalog",
        "4.4.0",
        "cea22dfb4ac562b3cd27bf652697750e8336009d73fb06631363aaaad5345ffa",
    ),
    Jar(
        "io.unitycatalog",
        "unitycatalog-client",
        "0.6.0",
        "48257499a86b801a3e2372cec55ac226ca1c1c7eabe5c118e7302f29a1fdbc19",
    ),
    Jar(
        "io.unitycatalog",
        "unitycatalog-hadoop",
        "0.6.0",
        "c47b63c961c87102b9e1d63809a0915ba4c86b7652f57c8d39ca3a05b441a150",
    ),
    Jar(
        "org.roaringbitmap",
        "RoaringBitmap",
        "0.9.25",
        "73f8e24f636a1ba6509decacbb5605c833eb5ead6db3971722ffcc2543b3e393",
    ),
    Jar(
        "org.roaringbitmap",
        "shims",
        "0.9.25",
        "0b82ed6cb1caf0706304b42358d568eb6faf190eadea7f2b2d365cb63156b40d",
    ),
    Jar(
        "org.locationtech.jts",
        "jts-core",
        "1.20.0",
        "6a783d8f9dba3d3cf7265435f134402f63c05838aa6cbcc4297ad3a5b2842baf",
    ),
)

S3_LOCK = Path(__file__).with_name("s3-jars.lock")  # a line for each: group:artifact:version and its SHA-256

# What Delta depends on and Spark ships itself; Spark's resolver takes these as glob patterns.
SHIPPED_WITH_SPARK = (
    "com.fasterxml.*:*",
    "com.github.*:*",
    "com.google.*:*",
    "commons-*:*",
    "io.airlift:*",
    "io.netty:*",
    "javax.*:*",
    "org.apache.commons:*",
    "org.apache.hadoop:hadoop-c*",
    "org.apache.httpcomponents:*",
    "org.apache.logging.*:*",
    "org.apache.parquet:*",
    "org.apache.spark:*",
    "org.slf4j:*",
    "org.xerial.*:*",
)
UNUSED = ("org.wildfly.openssl:*", "software.amazon.awssdk:bundle")


def delta_jars(folder: Path = SHARE / "jars") -> list[Path]:
    """The ten files, fetched into `folder` the first time. Raises ConfigError when they cannot be had."""
    return ensure(JARS, folder)


def s3_jars(folder: Path = SHARE / "jars") -> list[Path]:
    """What `s3a:` needs beside what Spark ships, fetched the first time. Raises ConfigError when it cannot be had."""
    lines = [line.split() for line in S3_LOCK.read_text().splitlines()]
    return ensure(tuple(Jar._make([*name.split(":"), sha256]) for name, sha256 in lines), folder)


def ensure(jars: tuple[Jar, ...], folder: Path) -> list[Path]:
    """The files in `folder`, fetched when one is missing. Raises ConfigError when they cannot be had."""
    files = [folder / jar.file_name for jar in jars]
    if not all(file.is_file() for file in files):
        fetch(jars, folder)
    return files


def fetch(jars: tuple[Jar, ...], folder: Path) -> None:
    """Fetch JARs, check them, and move each into `folder` whole: two processes at once do no harm."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="ivy-", dir=folder.parent) as scratch:
            resolve(jars, Path(scratch))
            fetched = [Path(scratch, "jars", jar.file_name) for jar in jars]
            for jar, file in zip(jars, fetched, strict=True):
                verify(jar, file)
            for file in fetched:
                os.replace(file, folder / file.name)
    except OSError as error:
        raise ConfigError(f"JARs cannot be kept in {folder}: {error.strerror or error}") from error


def verify(jar: Jar, file: Path) -> None:
    """Raises ConfigError unless the file is there and is, byte for byte, the one that was locked."""
    if not file.is_file():
        raise ConfigError(f"{jar.coordinates} was resolved without its JAR; try `make setup` again")
    if hashlib.sha256(file.read_bytes()).hexdigest() != jar.sha256:
        raise ConfigError(f"{jar.coordinates} was fetched with another checksum than etl/engine/spark/jars.py names")


def resolve(jars: tuple[Jar, ...], scratch: Path) -> None:
    """Let Spark's resolver fill `scratch/jars`, by submitting a program that does nothing.

    `scratch` is the resolver's cache and its home folder too: a half-filled local Maven cache, a POM without
    its JAR, would otherwise end it with "download failed".
    """
    program = scratch / "nothing.py"
    program.touch()
    done = subprocess.run(
        _submit_command(jars, scratch, program),
        env=_submit_environment(scratch),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ConfigError(
            f"{jars[0].artifact} and what it needs could not be fetched from Maven Central ({_reason(done.stderr)}); "
            "connect this machine once and run `make setup`"
        )


def _spark_home() -> Path:
    import pyspark  # half a second that a set-up with nothing to do need not spend

    return Path(pyspark.__file__).parent


def _submit_command(jars: tuple[Jar, ...], scratch: Path, program: Path) -> list[str]:
    return [
        str(_spark_home() / "bin" / "spark-submit"),
        *("--master", "local[1]"),
        *("--packages", ",".join(jar.coordinates for jar in jars)),
        *("--exclude-packages", ",".join(SHIPPED_WITH_SPARK + UNUSED)),
        *("--conf", f"spark.jars.ivy={scratch}"),
        str(program),
    ]


def _submit_environment(scratch: Path) -> dict[str, str]:
    options = f"{os.environ.get('SPARK_SUBMIT_OPTS', '')} -Duser.home={scratch}"
    return {
        **os.environ,
        "JAVA_HOME": str(require_java()),
        "SPARK_HOME": str(_spark_home()),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",  # a host name that resolves to nothing must not matter
        "SPARK_SUBMIT_OPTS": options.strip(),
    }


def _reason(stderr: str) -> str:
    """The line that says why, out of the resolver's report of a hundred."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    for sign in (r"Host \S+ not found", "SERVER ERROR", "download failed", "Exception"):
        if telling := [line for line in lines if re.search(sign, line)]:
            return telling[0][:120]
    return lines[-1] if lines else "no reason given"


def main() -> int:
    """Set-up's step: silent when the files are there."""
    folder = SHARE / "jars"
    missing = sum(not (folder / jar.file_name).is_file() for jar in JARS)
    try:
        if missing:
            print("feed-etl: fetching Delta's JARs", flush=True)
        delta_jars(folder)
    except ConfigError as error:
        print(f"feed-etl: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
