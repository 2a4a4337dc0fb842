"""Delta's JARs are locked, verified, downloaded once, and sufficient for every operation on a table."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl import conf
from etl.engine.spark import jars, session
from etl.engine.spark.compatibility import SUPPORTED
from etl.engine.spark.jars import AVRO_LOCK, DELTA_LOCK, JARS, S3_LOCK, Jar, for_spark, locked, session_jars, verify
from etl.engine.spark.jvm import jvm
from etl.errors import ConfigError


def fake_resolver(monkeypatch: pytest.MonkeyPatch, content: bytes) -> list[Path]:
    """Replace Spark's resolver by one that gives every JAR this content; returns the list of its calls."""
    calls: list[Path] = []

    def resolve(jars_: tuple[Jar, ...], scratch: Path) -> None:
        calls.append(scratch)
        (scratch / "jars").mkdir()
        for jar in jars_:
            (scratch / "jars" / jar.file_name).write_bytes(content)

    monkeypatch.setattr(jars, "resolve", resolve)
    return calls


def lock(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Lock every JAR to the checksum of this content."""
    checksum = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(jars, "JARS", tuple(jar._replace(sha256=checksum) for jar in JARS))


def test_jars_are_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(monkeypatch, b"a jar")
    calls = fake_resolver(monkeypatch, b"a jar")
    folder = tmp_path / "jars"

    assert session_jars(folder) == session_jars(folder)

    assert len(calls) == 1
    assert sorted(folder.iterdir()) == sorted(session_jars(folder))
    assert list(tmp_path.iterdir()) == [folder], "the resolver's cache stays behind"


def test_a_missing_jar_is_downloaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(monkeypatch, b"a jar")
    calls = fake_resolver(monkeypatch, b"a jar")
    session_jars(tmp_path / "jars")[0].unlink()

    assert all(file.is_file() for file in session_jars(tmp_path / "jars"))

    assert len(calls) == 2


def test_no_jar_is_stored_when_one_has_another_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(monkeypatch, b"a jar")
    fake_resolver(monkeypatch, b"another jar")

    with pytest.raises(ConfigError, match=r"io\.delta:delta-spark.* has another checksum"):
        session_jars(tmp_path / "jars")

    assert not list((tmp_path / "jars").iterdir())


def test_the_error_names_an_artifact_that_was_resolved_without_its_jar(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"g:a:1 was resolved without its JAR"):
        verify(Jar("g", "a", "1", "0" * 64), tmp_path / "g_a-1.jar")


def test_a_failed_download_is_one_line_with_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = ":: settings\n\tHost mirror.example not found. url=x\nException in thread main\n\tat scala.sys\n"
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr=report)
    monkeypatch.setattr(jars, "require_java", lambda: tmp_path)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)

    with pytest.raises(ConfigError, match=r"\(Host mirror\.example not found.*\).*make setup") as raised:
        session_jars(tmp_path / "jars")

    assert "\n" not in str(raised.value)


def test_the_locked_jars_match_the_installed_delta(spark: SparkSession) -> None:
    """Who updates delta-spark or Spark in requirements.lock must update the JARs, too."""
    from importlib.metadata import version

    locked = {jar.artifact: jar.version for jar in JARS}
    spark_series = ".".join(spark.version.split(".")[:2])

    assert locked[f"delta-spark_{spark_series}_2.13"] == version("delta-spark")


def test_the_locked_s3_jars_match_the_hadoop_that_spark_ships(spark: SparkSession) -> None:
    """Hadoop raises an error at the first call of a class of another version."""
    hadoop = jvm(spark, "org.apache.hadoop.util.VersionInfo").getVersion()
    assert f"org.apache.hadoop:hadoop-aws:{hadoop} " in S3_LOCK.read_text()


@pytest.mark.parametrize(("lake", "expected"), [("lake", False), ("s3a://bucket/lake", True)])
def test_only_sessions_of_a_lake_on_s3_load_the_s3_jars(
    monkeypatch: pytest.MonkeyPatch, lake: str, expected: bool
) -> None:
    monkeypatch.setattr(session, "s3_jars", lambda: [Path("s3.jar")])
    assert (Path("s3.jar") in session._jars(conf.load("local", lake=lake))) is expected


@pytest.mark.parametrize("spark_version", SUPPORTED)
def test_every_supported_spark_has_jars_of_its_own(spark_version: str) -> None:
    """The other nine JARs of Delta are those of every pair."""
    delta_spark, *shared = for_spark(locked(DELTA_LOCK), spark_version)
    assert delta_spark.artifact == f"delta-spark_{spark_version[:3]}_2.13"
    assert delta_spark.version == SUPPORTED[spark_version]
    assert len(shared) == len(locked(DELTA_LOCK)) - len(SUPPORTED)
    (avro,) = for_spark(locked(AVRO_LOCK), spark_version)
    assert avro.version[:3] == spark_version[:3]


def test_the_locked_jars_suffice_for_every_operation_on_a_table(spark: SparkSession, tmp_path: Path) -> None:
    """Write, MERGE, DELETE by deletion vector, OPTIMIZE with ZORDER, replaceWhere, and read back.

    Each of them needs classes that writing and reading alone would not load.
    """
    table = f"delta.`{tmp_path / 'table'}`"
    spark.sql(
        f"CREATE TABLE {table} (id BIGINT, hour INT) USING delta PARTITIONED BY (hour) "
        "TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')"
    )
    spark.sql(f"INSERT INTO {table} SELECT id, 0 FROM range(10)")
    spark.sql(
        f"MERGE INTO {table} t USING (SELECT id, 0 AS hour FROM range(5, 15)) s ON t.id = s.id "
        "AND t.hour = 0 WHEN NOT MATCHED THEN INSERT *"
    )
    spark.sql(f"DELETE FROM {table} WHERE id = 0")
    spark.sql(f"OPTIMIZE {table} ZORDER BY (id)")
    replaced = spark.sql("SELECT id, 1 AS hour FROM range(3)")
    replaced.write.format("delta").mode("overwrite").option("replaceWhere", "hour = 1").save(str(tmp_path / "table"))

    counted = spark.sql(f"SELECT hour, count(*) AS n FROM {table} GROUP BY hour ORDER BY hour").collect()

    assert [(row.hour, row.n) for row in counted] == [(0, 14), (1, 3)]
