"""The SMTP server, from FEED_ETL_SMTP_URL, the file FEED_ETL_SMTP_URL_FILE, or Airflow's connection `smtp_default`.

The format is that of an Airflow connection, as a URI or as JSON, with the meaning that Airflow's SmtpHook gives it:
`smtp://user:password@host:port/?disable_ssl=true&disable_tls=true&timeout=30`. TLS is used from the first byte unless
`disable_ssl` is set; then STARTTLS unless `disable_tls` is set. The client logs in only when there is a user.
"""

from __future__ import annotations

import json
import smtplib
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from etl import secrets
from etl.errors import ConfigError

VARIABLES = ("FEED_ETL_SMTP_URL", "AIRFLOW_CONN_SMTP_DEFAULT")


@dataclass(frozen=True)
class Server:
    """The SMTP server. `port` 0 is the default port of the protocol, `timeout` is in seconds."""

    host: str
    port: int = 0
    user: str = ""
    password: str = ""
    tls: bool = True
    starttls: bool = True
    timeout: float = 30

    def __str__(self) -> str:
        return f"{self.host}:{self.port or ('465' if self.tls else '25')}"

    def connect(self) -> smtplib.SMTP:
        """A client that is ready to send. Raises OSError or smtplib.SMTPException when the server cannot be used."""
        context = ssl.create_default_context()
        if self.tls:
            client: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=context)
        else:
            client = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
            if self.starttls:
                client.starttls(context=context)
        if self.user:
            client.login(self.user, self.password)
        return client


def server() -> Server | None:
    """The configured server, None when there is none. Raises ConfigError when the connection cannot be parsed."""
    for name in VARIABLES:
        if text := secrets.from_environment(name):
            try:
                return _from_json(text) if text.startswith("{") else _from_uri(text)
            except (ValueError, TypeError, AttributeError) as error:
                # the value may hold a password, so the message must not repeat it
                form = "smtp://host:25/?disable_ssl=true&disable_tls=true"
                raise ConfigError(f"{name} is not an SMTP connection like {form}.") from error
    return None


def _from_uri(text: str) -> Server:
    parts = urlsplit(text)
    if parts.scheme != "smtp" or not parts.hostname:
        raise ValueError("not smtp://host")
    extra = dict(parse_qsl(parts.query))
    extra |= json.loads(extra.pop("__extra__", "{}"))
    return _server(
        unquote(parts.hostname), parts.port, unquote(parts.username or ""), unquote(parts.password or ""), extra
    )


def _from_json(text: str) -> Server:
    found = json.loads(text)
    extra = found.get("extra") or {}
    extra = json.loads(extra) if isinstance(extra, str) else extra
    if not found.get("host"):
        raise ValueError("no host")
    return _server(found["host"], found.get("port"), found.get("login") or "", found.get("password") or "", extra)


def _server(host: str, port: Any, user: str, password: str, extra: dict[str, Any]) -> Server:
    tls, starttls = not _is_true(extra.get("disable_ssl")), not _is_true(extra.get("disable_tls"))
    return Server(host, int(port or 0), user, password, tls, starttls, float(extra.get("timeout", 30)))


def _is_true(value: Any) -> bool:
    return str(value or "").lower() in ("true", "1", "yes")
