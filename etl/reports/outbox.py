"""The outbox: a folder in which every mail is a file before it is sent.

    outbox/NAME.eml           waits; the header X-Envelope-To lists the people who have not got it yet
    outbox/sent/NAME.eml      the server accepted it for all of them
    outbox/refused/NAME.eml   the server refused it permanently for the people in X-Envelope-To

Writing and moving a file are atomic. When the process is killed after the server accepted a mail and before the file
moved, the mail is sent once more with the same Message-ID; most mail programs show it once. No mail is ever lost.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from etl.conf import Settings
from etl.engine.spark import locks
from etl.engine.spark.files import local_folder
from etl.errors import ConfigError, MailError, first_line
from etl.reports.smtp import Server

log = logging.getLogger("feed_etl")
POLICY = SMTP.clone(max_line_length=200)  # otherwise a long subject starts on a line of its own
ENVELOPE = "X-Envelope-To"
UNSAFE = re.compile(r"[^\w.-]+")
DAY = 86_400


@dataclass
class Sent:
    """The result of sending: names of mails sent, refused permanently and still waiting, and why they wait."""

    sent: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    reason: str = ""


class Outbox:
    """The outbox of these settings. Raises ConfigError when its folder is not local."""

    def __init__(self, settings: Settings) -> None:
        self.folder = folder(settings)
        self.keep_days = settings.mail.keep_days
        self.lock_minutes = settings.lock_minutes

    def waiting(self) -> list[Path]:
        """Mails not yet sent, oldest first."""
        return sorted(self.folder.glob("*.eml"), key=lambda p: (p.stat().st_mtime, p.name))

    def refused(self) -> list[Path]:
        """Mails that the server refused permanently, for at least one person."""
        return sorted(self.folder.glob("refused/*.eml"))

    def put(self, name: str, mail: EmailMessage) -> Path | None:
        """Write a mail for everyone in its To header, and return its path; None when it was written before.

        The name identifies the mail, and the Message-ID is derived from it. Raises MailError when the file cannot be
        written.
        """
        name = f"{UNSAFE.sub('-', name)}.eml"
        domain = mail["From"].addresses[0].domain
        mail["Message-ID"] = f"<{hashlib.sha256(name.encode()).hexdigest()[:32]}@{domain}>"
        mail[ENVELOPE] = ", ".join(a.addr_spec for a in mail["To"].addresses)
        try:
            with self._locked():
                if self._exists(name):
                    return None
                _write(self.folder / name, mail)
        except OSError as error:
            raise MailError(f"The outbox {self.folder} cannot be written: {first_line(error)}") from error
        return self.folder / name

    def send(self, server: Server) -> Sent:
        """Send every waiting mail. When the server is down, the mails keep waiting."""
        done = Sent()
        with self._locked():
            mails = self.waiting()
            if mails:
                self._send(server, mails, done)
            self._delete_old()
        done.waiting = [path.name for path in self.waiting()]
        return done

    def _exists(self, name: str) -> bool:
        """Whether a mail of this name waits, or was sent or refused within `keep_days`."""
        return any((self.folder / place / name).exists() for place in ("", "sent", "refused"))

    def _send(self, server: Server, mails: list[Path], done: Sent) -> None:
        try:
            with server.connect() as client:
                for path in mails:
                    self._send_one(client, path, done)
        except (OSError, smtplib.SMTPException) as error:
            done.reason = first_line(error)

    def _send_one(self, client: smtplib.SMTP, path: Path, done: Sent) -> None:
        """Send one mail. A permanent refusal (5xx) is recorded; after a temporary one (4xx) the mail keeps waiting."""
        mail = message_from_bytes(path.read_bytes(), policy=POLICY)
        people = re.findall(r"[^,\s]+", str(mail[ENVELOPE] or ""))
        del mail[ENVELOPE]
        later, never = _offer(client, mail, people)
        if never or not people:
            reason = first_line("; ".join(never.values()) or "it has no recipient")
            log.warning("%s was refused permanently: %s", path.name, reason)
            self._write_for(self.folder / "refused" / path.name, mail, list(never))
            done.refused.append(path.name)
        if later:
            done.reason = first_line("; ".join(later.values()))
            self._write_for(path, mail, list(later))
        elif len(never) == len(people):
            path.unlink()
        else:
            os.replace(path, self.folder / "sent" / path.name)
            done.sent.append(path.name)

    def _write_for(self, path: Path, mail: EmailMessage, people: list[str]) -> None:
        """Write a mail that is still open, or refused, for these people."""
        del mail[ENVELOPE]
        mail[ENVELOPE] = ", ".join(people)
        _write(path, mail)

    def _delete_old(self) -> None:
        """Delete mails sent or refused over `keep_days` ago, and partial files that a kill left."""
        for form in ("sent/*.eml", "refused/*.eml", "**/*.part"):
            for path in self.folder.glob(form):
                if path.stat().st_mtime < time.time() - self.keep_days * DAY:
                    path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time write or send. The lock ends with the process that holds it."""
        for place in ("sent", "refused"):
            (self.folder / place).mkdir(parents=True, exist_ok=True)
        with locks.held(self.folder / ".lock", self.lock_minutes):
            yield


def folder(settings: Settings) -> Path:
    """The folder of the outbox. Raises ConfigError when it is not local."""
    try:
        return local_folder(settings.outbox)
    except ConfigError as error:
        raise ConfigError(f"{settings.outbox} is not local: name a folder as mail.outbox in conf/.") from error


def _offer(client: smtplib.SMTP, mail: EmailMessage, people: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Send a mail -> people to retry, and people who were refused permanently, each with the answer of the server."""
    try:
        answers = client.send_message(mail, to_addrs=people) if people else {}
    except smtplib.SMTPRecipientsRefused as error:
        answers = error.recipients
    except smtplib.SMTPDataError as error:
        reply = error.smtp_error if isinstance(error.smtp_error, bytes) else error.smtp_error.encode()
        answers = dict.fromkeys(people, (error.smtp_code, reply))
    refusals = {who: (code, f"{who}: {code} {words!r}") for who, (code, words) in answers.items()}
    never = {who: words for who, (code, words) in refusals.items() if code >= 500}
    return {who: words for who, (_, words) in refusals.items() if who not in never}, never


def _write(path: Path, mail: EmailMessage) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    with open(part, "wb") as file:
        file.write(mail.as_bytes(policy=POLICY))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
