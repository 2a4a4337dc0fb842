"""A complete, isolated Airflow for a demo or a test: its own lake, landing zone, ports and SMTP server.

All servers listen only on the loopback interface, and stop at the end of the block that started them.
"""

from __future__ import annotations

import json
import mailbox
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from functools import cached_property
from pathlib import Path

from etl.airflow.commands import HOUR
from etl.engine.landing import reader as landing
from etl.engine.spark import session
from support.airflow.rest import Airflow
from support.ports import free_port

ROOT = Path(__file__).parents[3]
ONE_HOUR = timedelta(hours=1)
SMALL = {
    "AIRFLOW_CONN_SPARK_DEFAULT": '{"conn_type": "spark", "host": "local[2]"}',
    "FEED_ETL_SPARK": json.dumps(session.FEW_ROWS),
    "SPARK_SUBMIT_OPTS": session.SHORT_LIVED["spark.driver.extraJavaOptions"],
}
"""Settings for short applications over few rows: less compilation and planning."""


@dataclass(frozen=True)
class Sandbox:
    """A folder with everything one Airflow needs. `first` is the first scheduled hour.

    settings: variables for Airflow and Spark; by default those for few rows.
    """

    folder: Path
    first: datetime
    settings: dict[str, str] = field(default_factory=lambda: SMALL)

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def rules(self) -> Path:
        """Copies of conf/ and expectations/ that a test may change."""
        return self.folder / "rules"

    @cached_property
    def ports(self) -> tuple[int, int]:
        """The ports of Airflow and of the SMTP server."""
        return free_port(), free_port()

    @cached_property
    def environment(self) -> dict[str, str]:
        """Environment variables of every process of this sandbox."""
        airflow, smtp = self.ports
        return {
            **os.environ,
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW_CONN_SMTP_DEFAULT": f"smtp://127.0.0.1:{smtp}/?disable_ssl=true&disable_tls=true",
            "FEED_ETL_AIRFLOW_PORT": str(airflow),
            "FEED_ETL_FIRST_HOUR": self.first.strftime(HOUR),
            "FEED_ETL_HOME": str(self.rules),
            "FEED_ETL_LAKE": str(self.lake),
            "FEED_ETL_LANDING": str(self.landing),
            **self.settings,
        }

    def make(self) -> None:
        """Create the folder from scratch, with copies of conf/ and expectations/."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("conf", "expectations"):
            shutil.copytree(ROOT / name, self.rules / name)

    def feed_etl(self, *words: str) -> str:
        """Run a `feed-etl` command and return its output. Raises CalledProcessError when it fails."""
        return self._run(ROOT / ".venv" / "bin" / "feed-etl", words)

    def airflow(self, *words: str) -> str:
        """Run an Airflow command and return its output. Raises CalledProcessError when it fails."""
        return self._run(ROOT / "bin" / "airflow", words)

    def _run(self, program: Path, words: tuple[str, ...]) -> str:
        command = [str(program), *words]
        return subprocess.run(command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def simulate(self, start: datetime, end: datetime, impressions: int, *more: str) -> None:
        """Land simulated hours [start, end)."""
        interval = ["--from", start.strftime(HOUR), "--to", end.strftime(HOUR)]
        self.feed_etl("simulate", *interval, "--impressions-per-hour", str(impressions), "--seed", "7", *more)

    def landed(self, event: str, hour: datetime) -> Path:
        """The landing folder of an event and hour."""
        return self.landing / event / landing.folder(hour)

    def land(self, event: str, hour: datetime, name: str, content: bytes) -> Path:
        """Land a file, as a producer does."""
        file = self.landed(event, hour) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    @contextmanager
    def scheduler(self) -> Iterator[Airflow]:
        """Start everything that `make airflow` starts, and wait until it is up."""
        with self._process("airflow", str(ROOT / "bin" / "airflow-up")) as running:
            found = Airflow(self.ports[0], self.folder, running)
            found.wait_until_up()
            yield found

    @contextmanager
    def smtp_server(self) -> Iterator[None]:
        """Start an SMTP server that stores each mail as a file in a Maildir."""
        handler, where = "aiosmtpd.handlers.Mailbox", f"127.0.0.1:{self.ports[1]}"
        python = str(ROOT / ".venv" / "bin" / "python")
        with self._process("smtp", python, "-m", "aiosmtpd", "-n", "-c", handler, "-l", where, str(self.maildir)):
            yield

    @property
    def maildir(self) -> Path:
        return self.folder / "mail"

    def mails(self) -> list[EmailMessage]:
        """The mails that arrived; header `X-RcptTo` is the recipient."""
        kept = mailbox.Maildir(self.maildir, create=False)
        parser = BytesParser(policy=SMTP)
        return [parser.parsebytes(kept.get_bytes(key)) for key in kept.iterkeys()]

    @contextmanager
    def _process(self, name: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start a process that is stopped with all its children. Its output goes to NAME.log."""
        with (self.folder / f"{name}.log").open("w") as log:
            running = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)
            try:
                yield running
            finally:
                with suppress(ProcessLookupError):  # the process has already exited
                    os.killpg(running.pid, signal.SIGTERM)
                running.wait(60)
