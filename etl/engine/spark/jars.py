"""Downloads JARs with locked versions and checksums: Delta and Spark's Avro reader, and Hadoop's S3 client for S3.

Every session has Delta's JARs and Avro's; only lakes on S3 need Hadoop's S3 client. Delta's POM lists more than thirty
JARs (87 MB). Spark ships most of them in other versions, and two versions of one class cause errors. `delta-jars.lock`
lists only the ten JARs (15 MB) that Spark does not ship, `avro-jars.lock` the one (0.1 MB) with which Spark reads Avro.
What is built for one version of Spark is listed once for each supported one. Hadoop's S3 client lists Amazon's whole
SDK as one JAR; `s3-jars.lock` lists the 36 parts (12 MB) that are used.

The download uses Spark's own resolver, so a mirror configured for Spark (`spark.jars.ivySettings` or
`spark.jars.repositories` in spark-defaults.conf) applies.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from etl.engine.spark.java import SHARE, require_java
from etl.errors import ConfigError


class Jar(NamedTuple):
    """One locked Maven artifact. `sha256` is the checksum of its JAR."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinates(self) -> str:
        """The Maven coordinates, as group:artifact:version."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        """The file name that Spark's resolver gives the JAR."""
        return f"{self.group}_{self.artifact}-{self.version}.jar"


DELTA_LOCK = Path(__file__).with_name("delta-jars.lock")
AVRO_LOCK = Path(__file__).with_name("avro-jars.lock")
S3_LOCK = Path(__file__).with_name("s3-jars.lock")


def locked(lock: Path) -> tuple[Jar, ...]:
    """The artifacts of a lock file. It has one line per JAR: group:artifact:version and SHA-256."""
    lines = [line.split() for line in lock.read_text().splitlines()]
    return tuple(Jar._make([*coordinates.split(":"), sha256]) for coordinates, sha256 in lines)


def for_spark(jars: tuple[Jar, ...], spark_version: str) -> tuple[Jar, ...]:
    """The JARs of one version of Spark: without those built for another minor version, such as `delta-spark_4.1_2.13`.

    A JAR of Spark itself may be of another patch: not every one is published for each.
    """
    minor = spark_version.rpartition(".")[0]
    return tuple(jar for jar in jars if _built_for(jar) in (None, minor))


def _built_for(jar: Jar) -> str | None:
    """The minor version of Spark that a JAR is built for; None when it fits all."""
    if jar.group == "org.apache.spark":
        return jar.version.rpartition(".")[0]
    found = BUILT_FOR.search(jar.artifact)
    return found and found[1]


BUILT_FOR = re.compile(r"(\d+\.\d+)_2\.13$")
"""The versions of Spark and Scala in the name of an artifact."""
JARS = for_spark(locked(DELTA_LOCK) + locked(AVRO_LOCK), version("pyspark"))

# Dependencies of Delta and of Spark's Avro reader that Spark ships itself, as glob patterns of Spark's resolver.
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
    "org.scala-lang.modules:*",
    "org.slf4j:*",
    "org.tukaani:*",
    "org.xerial.*:*",
)
UNUSED = ("org.wildfly.openssl:*", "software.amazon.awssdk:bundle")


def session_jars(folder: Path = SHARE / "jars") -> list[Path]:
    """The JARs of every session, downloaded into `folder` the first time. Raises ConfigError when that fails."""
    return ensure(JARS, folder)


def s3_jars(folder: Path = SHARE / "jars") -> list[Path]:
    """The JARs for `s3a:` URIs, downloaded the first time. Raises ConfigError when the download fails."""
    return ensure(locked(S3_LOCK), folder)


def ensure(jars: tuple[Jar, ...], folder: Path) -> list[Path]:
    """Paths of the JARs in `folder`, downloaded when one is missing. Raises ConfigError when the download fails."""
    files = [folder / jar.file_name for jar in jars]
    if not all(file.is_file() for file in files):
        fetch(jars, folder)
    return files


def fetch(jars: tuple[Jar, ...], folder: Path) -> None:
    """Download JARs, verify them, and move each into `folder` in one step, so that two processes can do it at once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="ivy-", dir=folder.parent) as scratch:
            resolve(jars, Path(scratch))
            downloaded = [Path(scratch, "jars", jar.file_name) for jar in jars]
            for jar, file in zip(jars, downloaded, strict=True):
                verify(jar, file)
            for file in downloaded:
                os.replace(file, folder / file.name)
    except OSError as error:
        raise ConfigError(
            f"JARs cannot be stored in {folder}: {error.strerror or error}. Make the folder writable, then run "
            "`make setup`."
        ) from error


def verify(jar: Jar, file: Path) -> None:
    """Raises ConfigError when the file does not exist or does not have the locked checksum."""
    if not file.is_file():
        raise ConfigError(f"{jar.coordinates} was resolved without its JAR. Run `make setup` again.")
    if hashlib.sha256(file.read_bytes()).hexdigest() != jar.sha256:
        raise ConfigError(
            f"{jar.coordinates} has another checksum than the one locked in etl/engine/spark. Check the Maven mirror, "
            "then run `make setup` again."
        )


def resolve(jars: tuple[Jar, ...], scratch: Path) -> None:
    """Submit an empty program to Spark, so that Spark's resolver downloads the JARs into `scratch/jars`.

    `scratch` is also the resolver's cache and home folder. With the user's Maven cache the resolver fails with
    "download failed" when the cache has a POM without its JAR.
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
            f"{jars[0].artifact} and its dependencies could not be downloaded from Maven Central "
            f"({_reason(done.stderr)}). Connect this machine to the network and run `make setup`."
        )


def _spark_home() -> Path:
    import pyspark  # imported late: it takes half a second, and set-up usually has nothing to download

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
        "SPARK_LOCAL_IP": "127.0.0.1",  # so that it works on a machine whose host name does not resolve
        "SPARK_SUBMIT_OPTS": options.strip(),
    }


def _reason(stderr: str) -> str:
    """The line with the cause of the failure, out of the resolver's report of about a hundred lines."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    for pattern in (r"Host \S+ not found", "SERVER ERROR", "download failed", "Exception"):
        if matches := [line for line in lines if re.search(pattern, line)]:
            return matches[0][:120]
    return lines[-1] if lines else "no reason given"


def main() -> int:
    """The step of `make setup` that downloads the JARs of every session. It prints nothing when they exist."""
    folder = SHARE / "jars"
    missing = sum(not (folder / jar.file_name).is_file() for jar in JARS)
    try:
        if missing:
            print("feed-etl: downloading Delta's and Avro's JARs", flush=True)
        session_jars(folder)
    except ConfigError as error:
        print(f"feed-etl: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
