"""Secrets come from the environment and are never written: not to lake, ledger, plans, mails, pages or output."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import traces
from support.command_line import feed_etl
from support.servers import smtp_server

KEY, PASSWORD = "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "correct-horse-battery"
INTERVAL = ("--from", "2026-06-01T08", "--to", "2026-06-01T11")


@dataclass(frozen=True)
class SecretLake:
    """A lake with Spark's event log, which contains every plan and the environment of Spark."""

    folder: Path
    landing: Path
    smtp: str

    def run(self, *words: str) -> str:
        """Run a command with `--debug` and return all its output."""
        events = self.folder / "events"
        events.mkdir(exist_ok=True)
        spark = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": events.as_uri()}
        secrets = {"FEED_ETL_PSEUDONYM_KEY": KEY, "FEED_ETL_SMTP_URL": self.smtp}
        where = ["--debug", "--lake", str(self.folder / "lake"), "--landing", str(self.landing)]
        done = feed_etl(*where, *words, **secrets, FEED_ETL_SPARK=json.dumps(spark))
        return done.stdout + done.stderr


@pytest.mark.slow
def test_a_day_of_commands_writes_no_secret(landed: Path, tmp_path: Path) -> None:
    """A run, a mail that the server refuses without a login, pages, an erasure, and a run with an unknown table."""
    with smtp_server() as server:
        smtp = f"smtp://feed:{PASSWORD}@127.0.0.1:{server.port}/?disable_ssl=true&disable_tls=true"
        lake = SecretLake(tmp_path, landed, smtp)
        outputs = [lake.run("run", *INTERVAL), lake.run("report", "quality", "--send"), lake.run("report", "data-docs")]
        outputs.append(lake.run("describe", "mart_user_affinity_daily"))
        outputs.append(lake.run("erase", "--viewer", "4711", "--reason", "ticket 17"))
        outputs.append(lake.run("run", *INTERVAL, "--table", "no_such_table"))
        outputs.append(lake.run("report", "send"))
    assert "mart_user_affinity_daily" in outputs[0] and "pseudonyms" in outputs[3]
    assert list((tmp_path / "lake" / "_outbox").rglob("*.eml")) and list((tmp_path / "events").iterdir())
    plans = b"".join(f.read_bytes() for f in (tmp_path / "events").rglob("*") if f.is_file())
    assert b"sha2(" in plans and KEY.encode().hex().encode() not in plans.lower()
    for secret in (KEY, PASSWORD):
        assert traces.of(secret, str(tmp_path)) == []
        assert [text for text in outputs if secret in text] == []
