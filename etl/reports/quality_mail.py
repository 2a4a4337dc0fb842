"""A quality report as a mail: text and HTML with the same facts, and the trend as an inline picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.message import EmailMessage
from typing import Any

from etl.conf import Settings
from etl.engine.spark.files import absolute
from etl.engine.state.entry import code_version
from etl.errors import ConfigError
from etl.reports import quality_advice as advice
from etl.reports.outbox import POLICY
from etl.reports.quality import FAILED, IDLE, LATE, ORDER, WAITING, WARNED, TableState, owners
from etl.reports.quality_trend import DayCount, days, picture
from etl.reports.templates import templates

TREND = "trend@feed-etl"


@dataclass(frozen=True)
class OwnerReport:
    """The report to one owner: of a day, or of the failed gates of one run when `run_id` is set."""

    owner: str
    day: date
    states: list[TableState]
    run_id: str = ""

    def count(self, *verdicts: str) -> int:
        """Tables with one of these verdicts."""
        return sum(s.verdict in verdicts for s in self.states)

    @property
    def worst(self) -> str:
        """The worst verdict of any table."""
        return min((s.verdict for s in self.states), key=ORDER.index, default=IDLE)

    @property
    def verdict(self) -> str:
        """The report in one line."""
        failed, waiting, warned = self.count(FAILED), self.count(WAITING), self.count(WARNED)
        if self.run_id:
            names = ", ".join(s.table.name for s in self.states)
            return f"{names} failed {'its gate' if failed == 1 else 'their gates'}"
        every = f"{len(self.states)} table" + "s" * (len(self.states) != 1)
        if failed:
            return f"{failed} of {every} failed" + (f", {waiting} waiting for an input" if waiting else "")
        if waiting:
            return f"{waiting} of {every} waiting for an input that failed"
        if late := self.count(LATE):
            return f"{late} of {every} passed with late hours, none failed"
        if warned:
            return f"{warned} of {every} passed with warnings, none failed"
        ran = len(self.states) - self.count(IDLE)
        return f"{ran} of {every} ran, all passed" if ran else f"none of {every} ran"

    @property
    def trend(self) -> list[DayCount]:
        """Gates by day, up to the day of the report."""
        return days(self.states, self.day)


def check_addresses(settings: Settings) -> None:
    """Raises ConfigError when an owner has no address, or `owners` in conf/ names an owner without a table."""
    missing = [o for o in owners() if not settings.owners.get(o)]
    if missing:
        raise ConfigError(f"No mail address for owner {', '.join(missing)}. Add it under `owners` in conf/.")
    unknown = sorted(settings.owners.keys() - set(owners()))
    if unknown:
        raise ConfigError(
            f"`owners` in conf/ names {', '.join(unknown)}, who owns no table. Owners: {', '.join(owners())}."
        )


def compose(settings: Settings, report: OwnerReport) -> tuple[str, EmailMessage]:
    """The mail and its name in the outbox. The same report always gets the same name, so it is written only once."""
    facts = _facts(settings, report)
    text = templates().get_template("quality.txt.j2").render(facts)
    mail = EmailMessage(policy=POLICY)
    mail["Subject"] = f"[feed-etl] {report.owner}: {report.verdict} ({report.day})"
    mail["From"], mail["To"] = settings.mail.sender, ", ".join(settings.owners[report.owner])
    mail["Date"] = datetime.now(UTC)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    mail.add_alternative(templates().get_template("quality.html.j2").render(facts), subtype="html")
    html = mail.get_body(("html",))
    assert html
    html.add_related(
        picture(report.states, report.day), "image", "png", cid=f"<{TREND}>", disposition="inline", filename="trend.png"
    )
    return _name(settings, report, text), mail


def _name(settings: Settings, report: OwnerReport, text: str) -> str:
    lake = absolute(settings.lake)
    kind = ("failure", report.run_id) if report.run_id else ("quality", str(report.day))
    of = (lake, *settings.owners[report.owner], "" if report.run_id else text)
    return "-".join([*kind, report.owner, hashlib.sha256("\n".join(of).encode()).hexdigest()[:12]])


def _facts(settings: Settings, report: OwnerReport) -> dict[str, Any]:
    return {
        "report": report,
        "settings": settings,
        "advice": advice,
        "lake": advice.shown(absolute(settings.lake)),
        "code": code_version(),
        "trend_cid": TREND,
    }
