"""Typed configuration: conf/base.yaml, then conf/NAME.yaml, then FEED_ETL_* in the environment."""

from __future__ import annotations

import os
from datetime import date
from email.errors import HeaderParseError
from email.headerregistry import Address
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from etl import secrets
from etl.errors import ConfigError, first_line

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2261, 12, 31)
"""What any tool that looks at a lake can hold, in any time zone: nanoseconds from 1970 in 64 bits end in 2262."""


def home() -> Path:
    """The folder that holds conf/ and expectations/: FEED_ETL_HOME, or the checkout."""
    return Path(os.environ.get("FEED_ETL_HOME") or Path(__file__).parent.parent)


def _address(text: str) -> str:
    """One plain address, `name@host`: nothing a mail header could be made longer with."""
    try:
        address = Address(addr_spec=text)
    except (HeaderParseError, IndexError, ValueError):  # the parser's own words say nothing about an address
        address = Address()
    if not text.isascii() or address.addr_spec != text or not address.domain:
        raise ValueError(f"{text!r} is not a mail address like name@host")
    return text


MailAddress = Annotated[str, AfterValidator(_address)]


def _absolute(path: str) -> str:
    """The whole path of a local folder: one that does not depend on where a command was started."""
    if not path.startswith(("/", "file:/")):
        raise ValueError(f"{path!r} is not the whole path of a local folder, like /srv/feed-etl/outbox")
    return path


LocalFolder = Annotated[str, AfterValidator(_absolute)]


class Mail(BaseModel):
    """How reports leave. The server is in the environment only, since its address may hold a password."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sender: MailAddress = Field(description="From whom reports come")
    outbox: LocalFolder | None = Field(None, description="Folder that mails wait in; None: _outbox of the lake")
    keep_days: int = Field(ge=1, description="How long sent mails are kept")


class Maintenance(BaseModel):
    """How long things are kept that no contract speaks of, and when an hour is left in peace."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heartbeat_hours: int = Field(ge=1, description="How long raw heartbeats stay in the landing zone once collapsed")
    readers_hours: int = Field(ge=0, description="How long files of earlier versions stay for who still reads them")
    quiet_hours: int = Field(ge=0, description="How long after its end an hour is left alone before it is compacted")
    rejected_days: int = Field(ge=0, description="How long refused batches and finished backfills stay to be looked at")
    ledger_days: int = Field(ge=1, description="How long the ledger keeps each run; older ones are folded")
    max_removed_share: float = Field(
        0.2, gt=0, le=1, description="Share of a table's rows, or an event's landed files, that goes without --yes"
    )


class EventCompleteness(BaseModel):
    """What one event overrides of `completeness`; None takes the value that holds for all events."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    expected: Literal["none", "history", "always"] = Field(
        default="history",
        description="none: never judged; history: by its own past hours; always: each hour must have records",
    )
    min_share: float | None = Field(
        default=None, ge=0, le=1, description="Smallest share of the usual number of records"
    )
    severity: Literal["warning", "critical"] | None = Field(default=None, description="critical holds a late hour back")


class Completeness(BaseModel):
    """When a landed hour has fewer records than its event usually has: it is late."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_hours: int = Field(
        default=3, ge=1, description="Landed hours of an event that must be known before one is judged"
    )
    min_share: float = Field(default=0.1, ge=0, le=1, description="Smallest share of the usual number of records")
    severity: Literal["warning", "critical"] = Field(default="warning", description="critical holds a late hour back")
    events: dict[str, EventCompleteness] = Field(default_factory=dict, description="Overrides by event")

    @field_validator("events")
    @classmethod
    def _known(cls, events_: dict[str, EventCompleteness]) -> dict[str, EventCompleteness]:
        from etl import catalog  # imports conf's own importers

        names = [event.name for event in catalog.landing_events()]
        if unknown := sorted(events_.keys() - set(names)):
            raise ValueError(f"there is no event {unknown[0]!r}; events: {', '.join(names)}")
        return events_

    def of(self, event: str) -> EventCompleteness:
        """The rule of one event, every value filled in."""
        own = self.events.get(event, EventCompleteness())
        share = self.min_share if own.min_share is None else own.min_share
        return own.model_copy(update={"min_share": share, "severity": own.severity or self.severity})


class Settings(BaseSettings):
    """What differs between places. An unknown key is an error that names it."""

    model_config = SettingsConfigDict(env_prefix="FEED_ETL_", extra="forbid", frozen=True)

    lake: str = Field(description="URI of the lake")
    landing: str = Field(description="URI of the landing zone")
    master: str = Field(description="Spark master")
    driver_memory: str = Field(pattern=r"^\d+[gm]$", description="Memory of the Spark driver")
    shuffle_partitions: int = Field(ge=1, description="Tasks of a shuffle")
    few_rows: int = Field(ge=0, description="A table made of fewer rows is made in one task, without generated code")
    parallel_tables: int = Field(ge=1, description="Tables of one run made at the same time")
    timezone: str = Field(pattern="^UTC$", description="All times are UTC")
    snowflake_epoch_ms: int = Field(ge=0, description="Epoch of impression ids, ms")
    lateness_days: int = Field(ge=0, description="How late a fact may land")
    facts_days: int = Field(ge=1, description="How long facts are kept; how far an undo may reach back")
    future_minutes: int = Field(ge=0, description="How far after its landed hour a fact may lie")
    min_day: date = Field(
        ge=FIRST_DAY, le=LAST_DAY, description="First day a record of a change log or ledger may name"
    )
    max_day: date = Field(ge=FIRST_DAY, le=LAST_DAY, description="Last such day; an instant: up to its 00:00")
    ledger_ahead_days: int = Field(ge=0, description="How many days after its landed day an invoice's day may lie")
    quarantine_share: float = Field(ge=0, le=1, description="Allowed share of bad records per event and hour")
    owners: dict[str, list[MailAddress]] = Field(description="Who gets the reports of an owner's tables")
    on_call: list[MailAddress] = Field(default_factory=list, description="Who hears of every kind of failure")
    mail: Mail = Field(description="How reports leave")
    completeness: Completeness = Field(default_factory=Completeness, description="When a landed hour is late")
    maintenance: Maintenance = Field(description="How long things are kept that no contract speaks of")
    data_docs_runs: int = Field(ge=1, le=50, description="Newest runs of a table that Data Docs show")
    backfill_days_without_yes: int = Field(ge=1, description="A backfill of more days than this wants --yes")
    backfill_change_budget: float = Field(ge=0, description="Largest change of a measure a backfill makes unasked")
    umask: str = Field("077", pattern=r"^0?[0-7]{3}$", description="Rights that new files and folders are made without")
    lock_minutes: float = Field(30, gt=0, description="How long a commit waits for that of another process")
    single_writer: bool = Field(False, description="On S3: one process at a time writes, and who runs it sees to that")
    scratch: LocalFolder | None = Field(None, description="Folder of temporary files; None: one of this user's in /tmp")
    spark: dict[str, str] = Field(default_factory=dict, description="Further Spark settings")

    @property
    def outbox(self) -> str:
        """Where mails wait: with the lake they are about, unless a folder is named."""
        return self.mail.outbox or f"{self.lake.rstrip('/')}/_outbox"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings, init_settings)


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ConfigError(f"No configuration {path.stem!r} in {path.parent}. There is: {names}.")
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # no UTF-8, a 32nd of May, brackets without end
        raise ConfigError(f"{path} is not valid YAML: {first_line(error)}.") from error
    if not isinstance(loaded, dict) or not all(isinstance(name, str) for name in loaded):
        raise ConfigError(f"{path} must hold settings as `name: value`.")
    return loaded


def set_umask(settings: Settings) -> None:
    """Make this process, and those it starts, make files that only their owner may read, or as conf says."""
    os.umask(int(settings.umask, 8))


def _yaml(name: str) -> dict[str, Any]:
    """What conf/ says of a place. Raises ConfigError when it holds a secret."""
    merged: dict[str, Any] = {}
    for part in ("base", name):
        path = home() / "conf" / f"{part}.yaml"
        found = _read_yaml(path)
        secrets.refuse(str(path), found)
        merged |= found
    return merged


def _spark_file() -> dict[str, str]:
    """Spark's settings that are secrets, from the file that FEED_ETL_SPARK_FILE names (YAML, `name: value`)."""
    file = os.environ.get("FEED_ETL_SPARK_FILE", "").strip()
    if not file:
        return {}
    secrets.read(path := Path(file))
    return {name: str(value) for name, value in _read_yaml(path).items()}


def load(name: str = "local", **overrides: str | None) -> Settings:
    """Settings of a place. Overrides (from the command line) win over everything; None is no override."""
    merged = _yaml(name)
    try:
        settings = Settings(**merged)
    except SettingsError as error:
        raise ConfigError(f"In the environment, {first_line(error)}; it is written as JSON.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        hint = f" Known keys: {', '.join(Settings.model_fields)}." if first["type"] == "extra_forbidden" else ""
        raise ConfigError(f"Configuration {name!r}, key {key!r}: {first['msg']}.{hint}") from error
    given = {k: v for k, v in overrides.items() if v is not None}
    uris = {k: given.get(k, getattr(settings, k)) for k in ("lake", "landing", "master")}
    secrets.refuse("A URI", uris)
    spark = {**settings.spark, **_spark_file()}
    secrets.refuse("Arguments of a JVM", {k: v for k, v in spark.items() if k.endswith("JavaOptions")})
    return settings.model_copy(update={**given, "spark": spark})
