"""`feed-etl doctor` finds each fault in a place that really has it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.command_line import FEED_ETL, feed_etl
from support.local_lake import local_settings
from support.rows import at
from support.servers import smtp_server

from etl.conf import Settings
from etl.doctor import driver, machine, places
from etl.doctor import settings as configured
from etl.doctor.finding import Finding
from etl.engine.spark.jars import JARS
from etl.engine.spark.java import SHARE
from etl.engine.state.entry import Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.errors import ConfigError

NOWHERE = Path("/nonexistent")


def java(home: Path, modules: str) -> Path:
    """A Java home whose program lists these modules."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nprintf '{modules}'\n", encoding="utf-8")
    program.chmod(0o755)
    return home


def only(findings: Iterable[Finding]) -> Finding:
    """The only finding."""
    (found,) = findings
    assert bool(found.next) == (found.state != "ok")
    return found


def with_spark(settings: Settings, **options: str) -> Settings:
    """Settings with Spark options, named with `_` in place of dots."""
    return settings.model_copy(update={"spark": {name.replace("_", "."): value for name, value in options.items()}})


def as_user_without_rights(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user to whom permissions apply: root may do everything."""
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    return subprocess.run(
        [*drop, FEED_ETL, *words], capture_output=True, text=True, timeout=120, env={**os.environ, **environment},
        check=False,
    )  # fmt: skip


def failures(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """Check -> its finding, of those that failed."""
    return {each["check"]: each for each in json.loads(done.stdout) if each["state"] == "failed"}


def test_no_java(tmp_path: Path) -> None:
    found = only(machine.java_home(tmp_path, NOWHERE, {"PATH": ""}))
    assert found.state == "failed" and "no Java" in found.what and "JAVA_HOME" in found.next


def test_a_java_home_that_is_too_old(tmp_path: Path) -> None:
    old = java(tmp_path / "old", "java.base@11.0.2\\n")
    found = only(machine.java_home(tmp_path, NOWHERE, {"JAVA_HOME": str(old), "PATH": ""}))
    assert found.state == "failed" and "it is Java 11, older than 17" in found.what


def test_a_wrong_java_home_beside_a_java_that_can_be_used(tmp_path: Path) -> None:
    small = java(tmp_path / "small", "java.base@17.0.1\\n")
    java(tmp_path / "jvm" / "full", "java.base@17.0.1\\njdk.incubator.vector@17.0.1\\n")
    found = only(machine.java_home(tmp_path, tmp_path / "jvm", {"JAVA_HOME": str(small), "PATH": ""}))
    assert found.state == "warning" and "lacks the module jdk.incubator.vector" in found.what and "full" in found.what


@pytest.fixture
def jars(tmp_path: Path) -> Path:
    """A copy of Delta's JARs."""
    folder = tmp_path / "jars"
    folder.mkdir()
    for jar in JARS:
        shutil.copy(SHARE / "jars" / jar.file_name, folder)
    return folder


def test_all_jars_are_there(jars: Path) -> None:
    assert only(machine.jars(None, jars)).state == "ok"


def test_a_missing_and_a_damaged_jar(jars: Path) -> None:
    first, second = (jars / jar.file_name for jar in JARS[:2])
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    missing, damaged = machine.jars(None, jars)
    assert missing.state == damaged.state == "failed"
    assert first.name in missing.what and second.name in damaged.what and str(second) in damaged.next


def test_jars_for_s3_are_downloaded_by_the_first_run(jars: Path, settings: Settings) -> None:
    found = only(machine.jars(settings.model_copy(update={"lake": "s3a://bucket/lake"}), jars))
    assert found.state == "warning" and "hadoop-aws" in found.what


@pytest.mark.parametrize(("memory", "state"), [("4g", "ok"), ("7g", "warning"), ("9000m", "failed")])
def test_memory_of_the_driver_on_a_machine_of_8_gb(settings: Settings, memory: str, state: str) -> None:
    assert only(machine.memory(settings.model_copy(update={"driver_memory": memory}), 8 << 30)).state == state


def test_a_port_that_another_program_took(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = only(machine.ports(with_spark(settings, spark_driver_port=str(port), spark_ui_port=str(port))))
    assert found.state == "failed" and found.what == f"spark.driver.port {port} is taken"


def test_spark_takes_free_ports_by_default(settings: Settings) -> None:
    assert only(machine.ports(settings)).state == "ok"


def test_a_full_disk(settings: Settings) -> None:
    free = shutil.disk_usage(Path(settings.lake).parent).free / places.GIGABYTE
    found = list(places.space(settings.model_copy(update={"min_free_gb": free * 2})))
    assert {each.state for each in found} == {"failed"} and "min_free_gb" in found[0].what
    assert {each.state for each in places.space(settings.model_copy(update={"min_free_gb": 0}))} == {"ok"}


def test_an_unwritable_lake(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir(mode=0o500)
    done = as_user_without_rights("--lake", str(lake), "doctor", "--json")
    found = failures(done)["lake"]
    assert done.returncode == 2 and f"{lake} cannot be written: Permission denied" in found["what"]


def test_a_table_with_wrong_permissions(tmp_path: Path) -> None:
    log = tmp_path / "lake" / "facts" / "fct_shares" / "_delta_log"
    log.mkdir(parents=True)
    log.chmod(0o500)
    done = as_user_without_rights("--lake", str(tmp_path / "lake"), "doctor", "--json")
    assert str(log) in failures(done)["lake"]["what"]


def test_a_key_file_that_is_missing(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_ETL_PSEUDONYM_KEY_FILE", str(tmp_path / "gone.key"))
    with pytest.raises(ConfigError, match="cannot be read"):
        list(configured.pseudonym_key(settings))


def test_a_clock_behind_the_ledger(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = InMemoryLedger(Entry("r", "fct_shares", at("12:00")))
    monkeypatch.setattr("etl.engine.state.offline.ledger", lambda _: ledger)
    assert only(places.clock(settings, at("12:00") - timedelta(hours=3))).what.startswith("the clock is 3:00:00 behind")
    assert only(places.clock(settings, at("12:00"))).state == "ok"


@pytest.mark.parametrize(
    "options",
    [
        {"spark.sql.session.timeZone": "Europe/Vienna"},
        {"spark.driver.extraJavaOptions": "-Xss4m -Duser.timezone=Europe/Vienna"},
    ],
)
def test_another_time_zone(settings: Settings, options: dict[str, str]) -> None:
    zone, _clock = places.clock(settings.model_copy(update={"spark": options}))
    assert zone.state == "failed" and "Europe/Vienna" in zone.what


def test_an_owner_without_an_address(settings: Settings) -> None:
    found = list(configured.configuration(settings.model_copy(update={"owners": {}})))
    assert found[0].state == "failed" and "No mail address" in found[0].what


def test_a_mail_server_that_is_down(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with smtp_server() as server:
        monkeypatch.setenv("FEED_ETL_SMTP_URL", server.url)
        assert only(configured.mail_server(settings)).state == "ok"
    assert only(configured.mail_server(settings)).state == "warning"


def test_a_mistake_in_conf_is_a_finding_and_the_machine_is_examined_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "base.yaml").write_text("lakee: x\n")
    (tmp_path / "conf" / "local.yaml").write_text("")
    done = feed_etl("doctor", "--json", FEED_ETL_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "key 'lake'" in failures(done)["configuration"]["what"]
    assert {"packages", "java", "jars"} <= {each["check"] for each in json.loads(done.stdout)}


def test_a_sound_machine_is_examined_in_lines_of_80_columns(tmp_path: Path) -> None:
    settings = local_settings(tmp_path)
    Path(settings.landing).mkdir()
    done = feed_etl("--lake", settings.lake, "--landing", settings.landing, "doctor", FEED_ETL_MIN_FREE_GB="0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80 and "\x1b" not in done.stdout


def test_an_address_of_a_collector_that_is_not_valid_is_a_finding(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:abc")
    (found,) = driver._guarded(configured.telemetry, settings)
    assert (found.check, found.state) == ("telemetry", "failed")
