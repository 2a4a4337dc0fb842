"""Secrets come from the environment and go nowhere: not into lake, ledger, plans, mails, pages, or what is printed."""

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
class CliContext:
    """A lake of its own with Spark's event log on: it has every plan, and the environment Spark knows."""

    folder: Path
    landing: Path
    smtp: str

    def run(self, *words: str) -> str:
        """All that a command prints, with `--debug`."""
        events = self.folder / "events"
        events.mkdir(exist_ok=True)
        spark = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": events.as_uri()}
        secrets = {"FEED_ETL_PSEUDONYM_KEY": KEY, "FEED_ETL_SMTP_URL": self.smtp}
        where = ["--debug", "--lake", str(self.folder / "lake"), "--landing", str(self.landing)]
        done = feed_etl(*where, *words, **secrets, FEED_ETL_SPARK=json.dumps(spark))
        return done.stdout + done.stderr


@pytest.mark.slow
def test_a_secret_is_in_nothing_that_a_day_of_commands_leaves(landed: Path, tmp_path: Path) -> None:
    """A run, a mail the server refuses to take without a login, pages, an erasure, and a run with a wrong table."""
    with smtp_server() as server:
        smtp = f"smtp://feed:{PASSWORD}@127.0.0.1:{server.port}/?disable_ssl=true&disable_tls=true"
        place = CliContext(tmp_path, landed, smtp)
        said = [place.run("run", *INTERVAL), place.run("report", "quality", "--send"), place.run("report", "data-docs")]
        said.append(place.run("describe", "mart_user_affinity_daily"))
        said.append(place.run("erase", "--viewer", "4711", "--reason", "ticket 17"))
        said.append(place.run("run", *INTERVAL, "--table", "no_such_table"))
        said.append(place.run("report", "send"))
    assert "mart_user_affinity_daily" in said[0] and "pseudonyms" in said[3]
    assert list((tmp_path / "lake" / "_outbox").rglob("*.eml")) and list((tmp_path / "events").iterdir())
    plans = b"".join(f.read_bytes() for f in (tmp_path / "events").rglob("*") if f.is_file())
    assert b"sha2(" in plans and KEY.encode().hex().encode() not in plans.lower()
    for secret in (KEY, PASSWORD):
        assert traces.of(secret, str(tmp_path)) == []
        assert [text for text in said if secret in text] == []
