"""A real SMTP server on the loopback interface that keeps mails and can refuse them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from aiosmtpd.controller import Controller

from support.ports import free_port


@dataclass
class SmtpServer:
    """Arrived mails as (envelope recipients, mail). `refuse` maps a recipient, or DATA, to a refusing reply."""

    port: int = 0
    refuse: dict[str, str] = field(default_factory=dict)
    arrived: list[tuple[list[str], EmailMessage]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}/?disable_ssl=true&disable_tls=true"

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802 (aiosmtpd names it)
        if address not in self.refuse:
            envelope.rcpt_tos.append(address)
        return self.refuse.get(address, "250 OK")

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd names it)
        if "DATA" not in self.refuse:
            mail = message_from_bytes(envelope.content, policy=SMTP)
            self.arrived.append((list(envelope.rcpt_tos), mail))
        return self.refuse.get("DATA", "250 OK")

    def of(self, recipient: str) -> list[EmailMessage]:
        """The mails of one recipient."""
        return [mail for people, mail in self.arrived if recipient in people]


@contextmanager
def smtp_server(port: int = 0) -> Iterator[SmtpServer]:
    """Run the server during the block."""
    handler = SmtpServer(port or free_port())
    controller = Controller(handler, hostname="127.0.0.1", port=handler.port)
    controller.start()
    try:
        yield handler
    finally:
        controller.stop()
