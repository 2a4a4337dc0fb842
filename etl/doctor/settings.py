"""Checks of what is configured: owners, suites, keys, the mail server and the collector of OpenTelemetry."""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from etl import catalog
from etl.conf import Settings
from etl.doctor.finding import Finding, failed, ok, warning
from etl.engine.delta import offline
from etl.engine.people import keys, pseudonyms
from etl.engine.quality import suites
from etl.errors import FeedEtlError
from etl.reports import quality_mail, smtp
from etl.telemetry import otel

SECONDS = 3.0
"""How long a server may take to accept a connection."""


def configuration(settings: Settings) -> Iterator[Finding]:
    """Whether every owner has an address, and every table a valid suite."""
    faults = [*_raised(quality_mail.check_addresses, settings)]
    faults += [fault for table in catalog.tables() for fault in _raised(suites.all_rules, table)]
    for fault in faults:
        yield failed("configuration", fault, "Correct conf/ or expectations/ (docs/runbook.md, Contract).")
    if not faults:
        yield ok("configuration", f"{len(catalog.tables())} tables with suites and owners")


def _raised(check: Callable[..., object], *given: object) -> Iterator[str]:
    """The message of the error that a check raises, if it raises one."""
    try:
        check(*given)
    except FeedEtlError as error:
        yield str(error)


def pseudonym_key(settings: Settings) -> Iterator[Finding]:
    """Whether the pseudonym key can be read, and is the one that the lake was made with. Raises ConfigError if not."""
    keys.use_demo_key(settings.lake)
    kind = pseudonyms.viewer_id_kind()
    keys.refuse_inside(settings)
    for table in (t for t in catalog.tables() if t.per_viewer):
        found = offline.open_table(settings, table.path)
        if found:
            pseudonyms.refuse_other_key(table, found.metadata().configuration.get(pseudonyms.PROPERTY, pseudonyms.IDS))
    yield ok("keys", "no pseudonym key: tables hold ids" if kind == pseudonyms.IDS else "the pseudonym key fits")


def mail_server(settings: Settings) -> Iterator[Finding]:
    """Whether the mail server accepts connections. Raises ConfigError when its address cannot be parsed."""
    server = smtp.server()
    if server is None:
        yield ok("mail", "no mail server: reports stay in the outbox (FEED_ETL_SMTP_URL)")
    elif not _is_reachable(server.host, server.port or (465 if server.tls else 25)):
        step = "Check FEED_ETL_SMTP_URL and the server; mails wait in the outbox meanwhile."
        yield warning("mail", f"{server} does not answer", step)
    else:
        yield ok("mail", f"{server} answers")


def telemetry(settings: Settings, environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Whether OpenTelemetry, when it is switched on, is installed and its collector accepts connections."""
    if not any(otel.exporter(signal, environ) for signal in otel.SIGNALS):
        yield ok("telemetry", "off (OTEL_EXPORTER_OTLP_ENDPOINT switches it on)")
        return
    if not importlib.util.find_spec("opentelemetry"):
        yield warning("telemetry", "OpenTelemetry is not installed", "Run `pip install 'feed-etl[otel]'`.")
        return
    parts = urlsplit(environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318"))
    host, port = parts.hostname or "localhost", parts.port or (443 if parts.scheme == "https" else 80)
    if _is_reachable(host, port):
        yield ok("telemetry", f"{host}:{port} answers")
    else:
        step = "Start the collector, or unset OTEL_EXPORTER_OTLP_ENDPOINT; runs go on without it."
        yield warning("telemetry", f"{host}:{port} does not answer", step)


def _is_reachable(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except OSError:
        return False
    return True
