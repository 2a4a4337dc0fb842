"""The outbox: every mail is a file here before anything is sent, and moves to `sent/` once the server has taken it.

    outbox/NAME.eml           waits; the header X-Envelope-To lists who has not got it yet
    outbox/sent/NAME.eml      the server took it for all of them
    outbox/refused/NAME.eml   the server refused it, for those in X-Envelope-To, for good

A file appears and moves in one step. Killed between the server's yes and the move, a mail is sent once more, with
the same Message-ID: most clients show it once. Nothing is ever lost.
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
POLICY = SMTP.clone(max_line_length=200)  # so that no subject begins on a line of its own
ENVELOPE = "X-Envelope-To"
HARMLESS = re.compile(r"[^\w.-]+")
DAY = 86_400


@dataclass
class Sent:
    """What one flush did: names of mails sent, refused for good, and still waiting; why they wait."""

    sent: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    reason: str = ""


class Outbox:
    """The mails of one place. Raises ConfigError when its folder is not local."""

    def __init__(self, settings: Settings) -> None:
        self.folder = folder(settings)
        self.keep_days = settings.mail.keep_days
        self.lock_minutes = settings.lock_minutes

    def waiting(self) -> list[Path]:
        """Mails not yet sent, oldest first."""
        return sorted(self.folder.glob("*.eml"), key=lambda p: (p.stat().st_mtime, p.name))

    def refused(self) -> list[Path]:
        """Mails that the server refused for good, for somebody at least."""
        return sorted(self.folder.glob("refused/*.eml"))

    def put(self, name: str, mail: EmailMessage) -> Path | None:
        """Write a mail that is to be sent to everyone in its To header; None when it was written before.

        The name identifies it: the Message-ID is made from it. Raises MailError when it cannot be written.
        """
        name = f"{HARMLESS.sub('-', name)}.eml"
        domain = mail["From"].addresses[0].domain
        mail["Message-ID"] = f"<{hashlib.sha256(name.encode()).hexdigest()[:32]}@{domain}>"
        mail[ENVELOPE] = ", ".join(a.addr_spec for a in mail["To"].addresses)
        try:
            with self._alone():
                if self._knows(name):
                    return None
                _write(self.folder / name, mail)
        except OSError as error:
            raise MailError(f"The outbox {self.folder} cannot be written: {first_line(error)}") from error
        return self.folder / name

    def send(self, server: Server) -> Sent:
        """Hand every waiting mail to the server. A server that is down leaves them where they are."""
        done = Sent()
        with self._alone():
            mails = self.waiting()
            if mails:
                self._send(server, mails, done)
            self._forget()
        done.waiting = [path.name for path in self.waiting()]
        return done

    def _knows(self, name: str) -> bool:
        """Whether a mail of that name was ever written, as far back as sent mails are kept."""
        return any((self.folder / place / name).exists() for place in ("", "sent", "refused"))

    def _send(self, server: Server, mails: list[Path], done: Sent) -> None:
        try:
            with server.connect() as client:
                for path in mails:
                    self._hand_over(client, path, done)
        except (OSError, smtplib.SMTPException) as error:
            done.reason = first_line(error)

    def _hand_over(self, client: smtplib.SMTP, path: Path, done: Sent) -> None:
        """One mail. Who refuses for good (5xx) is noted and not asked again; who refuses for now (4xx) waits."""
        mail = message_from_bytes(path.read_bytes(), policy=POLICY)
        people = re.findall(r"[^,\s]+", str(mail[ENVELOPE] or ""))
        del mail[ENVELOPE]
        later, never = _offer(client, mail, people)
        if never or not people:
            log.warning("%s was refused for good: %s", path.name, first_line("; ".join(never.values()) or "to nobody"))
            self._note(self.folder / "refused" / path.name, mail, list(never))
            done.refused.append(path.name)
        if later:
            done.reason = first_line("; ".join(later.values()))
            self._note(path, mail, list(later))
        elif len(never) == len(people):
            path.unlink()
        else:
            os.replace(path, self.folder / "sent" / path.name)
            done.sent.append(path.name)

    def _note(self, path: Path, mail: EmailMessage, people: list[str]) -> None:
        del mail[ENVELOPE]
        mail[ENVELOPE] = ", ".join(people)
        _write(path, mail)

    def _forget(self) -> None:
        """Old mails that were dealt with, and what a kill left half written."""
        for form in ("sent/*.eml", "refused/*.eml", "**/*.part"):
            for path in self.folder.glob(form):
                if path.stat().st_mtime < time.time() - self.keep_days * DAY:
                    path.unlink()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One sender at a time; the lock goes with the process that holds it."""
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
    """Offer a mail to the server -> who must be asked again, and who must not, each with the server's words."""
    try:
        answers = client.send_message(mail, to_addrs=people) if people else {}
    except smtplib.SMTPRecipientsRefused as error:
        answers = error.recipients
    except smtplib.SMTPDataError as error:
        reply = error.smtp_error if isinstance(error.smtp_error, bytes) else error.smtp_error.encode()
        answers = dict.fromkeys(people, (error.smtp_code, reply))
    said = {who: (code, f"{who}: {code} {words!r}") for who, (code, words) in answers.items()}
    never = {who: words for who, (code, words) in said.items() if code >= 500}
    return {who: words for who, (_, words) in said.items() if who not in never}, never


def _write(path: Path, mail: EmailMessage) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    with open(part, "wb") as file:
        file.write(mail.as_bytes(policy=POLICY))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
