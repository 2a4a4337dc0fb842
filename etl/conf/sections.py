"""The sections of the configuration: Airflow, mail, maintenance, completeness; the types of addresses and folders.

How other tools find the tables is in `discovery.py`.
"""

from __future__ import annotations

from datetime import date
from email.errors import HeaderParseError
from email.headerregistry import Address
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator


def _address(text: str) -> str:
    """Accept one plain address, `name@host`. Refuse anything that could inject text into a mail header."""
    try:
        address = Address(addr_spec=text)
    except (HeaderParseError, IndexError, ValueError):  # the parser's own message does not help the user
        address = Address()
    if not text.isascii() or address.addr_spec != text or not address.domain:
        raise ValueError(f"{text!r} is not a mail address like name@host")
    return text


MailAddress = Annotated[str, AfterValidator(_address)]


def _absolute(path: str) -> str:
    """Accept an absolute path of a local folder, so that it does not depend on the working directory."""
    if not path.startswith(("/", "file:/")):
        raise ValueError(f"{path!r} is not an absolute path of a local folder, like /srv/feed-etl/outbox")
    return path


LocalFolder = Annotated[str, AfterValidator(_absolute)]


class Airflow(BaseModel):
    """How the DAGs use Spark."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    application_per: Literal["hour", "table"] = Field(
        default="hour",
        description="Spark applications of an hourly DAG: one for each hour, watched by a task per table; or one for "
        "each table",
    )


class Backlog(BaseModel):
    """When due hours are a backlog, and when somebody gets a mail about them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ordered_above: int = Field(
        default=6, ge=0, description="With more due landed hours a run works class by class, billing first"
    )
    alert_hours: float = Field(default=2, gt=0, description="Hours that a due hour may wait before owners get a mail")


class Questions(BaseModel):
    """What a question may cost before somebody is asked. The costs are information: nothing is refused for good."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    warn_gb: float = Field(
        default=10, gt=0, description="Warn when a question reads more GB of a table without a condition on its hours"
    )
    team_cpu_hours: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="CPU hours that the questions of a team may use in a quarter"
    )
    warn_share: float = Field(default=0.8, gt=0, le=1, description="Warn when a team has used this share of its hours")
    ask_share: float = Field(
        default=0.05, gt=0, le=1, description="Ask for --yes when a question needs more than this share of what is left"
    )


class Mail(BaseModel):
    """How reports are mailed. The SMTP server is set only in the environment, because its URL may hold a password."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sender: MailAddress = Field(description="Sender address of reports")
    outbox: LocalFolder | None = Field(None, description="Folder of mails to send; None: _outbox of the lake")
    keep_days: int = Field(ge=1, description="Days that sent mails are kept")


class Maintenance(BaseModel):
    """Retention of everything that no table contract covers, and when maintenance may compact an hour."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heartbeat_hours: int = Field(
        ge=1, description="Hours that raw heartbeats stay in the landing zone after they are collapsed"
    )
    readers_hours: int = Field(ge=0, description="Hours that files of earlier versions stay for running readers")
    quiet_hours: int = Field(ge=0, description="Hours after the end of an hour before maintenance compacts it")
    rejected_days: int = Field(ge=0, description="Days that rejected batches and finished backfills are kept")
    ledger_days: int = Field(ge=1, description="Days that the ledger keeps each run; older runs are summarized")
    results_days: int = Field(400, ge=1, description="Days that `dq_result` keeps the results of rules")
    max_removed_share: float = Field(
        0.2,
        gt=0,
        le=1,
        description="Largest share of a table's rows, or of an event's landed files, that is removed without --yes",
    )


class EventCompleteness(BaseModel):
    """Overrides of `completeness` for one event. None means: use the value for all events."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    expected: Literal["none", "history", "always"] = Field(
        default="history",
        description="none: never checked; history: compared with past hours; always: each hour must have records",
    )
    min_share: float | None = Field(
        default=None, ge=0, le=1, description="Smallest share of the usual number of records"
    )
    severity: Literal["warning", "critical"] | None = Field(
        default=None, description="critical: a late hour is not published"
    )


class Completeness(BaseModel):
    """When a landed hour is late: it has fewer records than the event usually has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_hours: int = Field(
        default=3, ge=1, description="Landed hours of an event that must be known before an hour is checked"
    )
    min_share: float = Field(default=0.1, ge=0, le=1, description="Smallest share of the usual number of records")
    severity: Literal["warning", "critical"] = Field(
        default="warning", description="critical: a late hour is not published"
    )
    events: dict[str, EventCompleteness] = Field(default_factory=dict, description="Overrides by event")

    @field_validator("events")
    @classmethod
    def _known(cls, events_: dict[str, EventCompleteness]) -> dict[str, EventCompleteness]:
        from etl import catalog  # here, because the catalog imports modules that import conf

        names = [event.name for event in catalog.landing_events()]
        if unknown := sorted(events_.keys() - set(names)):
            raise ValueError(f"there is no event {unknown[0]!r}; events: {', '.join(names)}")
        return events_

    def of(self, event: str) -> EventCompleteness:
        """The completeness rule of one event, with every value filled in."""
        own = self.events.get(event, EventCompleteness())
        share = self.min_share if own.min_share is None else own.min_share
        return own.model_copy(update={"min_share": share, "severity": own.severity or self.severity})


def _zone(name: str) -> str:
    """Accept the name of a time zone that this machine knows."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone like UTC or Europe/Berlin") from error
    return name


class History(BaseModel):
    """What rules about history take for alike: the hours of the week in one time zone, without holidays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC", description="Time zone of the hours of the week and of holidays"
    )
    holidays: list[date] = Field(
        default_factory=list, description="Days that are neither judged by history nor part of it"
    )
