"""Typed configuration. Later sources override: conf/base.yaml, conf/NAME.yaml, FEED_ETL_* variables, CLI options."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from etl import secrets
from etl.conf.discovery import Catalog, OpenLineage
from etl.conf.sections import (
    Airflow,
    Backlog,
    Completeness,
    History,
    LocalFolder,
    Mail,
    MailAddress,
    Maintenance,
    Questions,
)
from etl.conf.subjects import Ads
from etl.errors import ConfigError, first_line

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2261, 12, 31)
"""Days that every reader of a lake can represent in any time zone: 64-bit nanoseconds since 1970 end in 2262."""


def home() -> Path:
    """The folder that contains conf/ and expectations/: FEED_ETL_HOME, or else the checkout."""
    return Path(os.environ.get("FEED_ETL_HOME") or Path(__file__).parents[2])


class EnvironmentFirst(BaseSettings):
    """Settings that variables FEED_ETL_* override."""

    model_config = SettingsConfigDict(env_prefix="FEED_ETL_", extra="forbid", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where settings come from, the strongest first."""
        return (env_settings, init_settings)


class AirflowSettings(EnvironmentFirst):
    """The settings that a DAG file needs, which it reads without the catalog."""

    airflow: Airflow = Field(default_factory=Airflow, description="How the DAGs use Spark")
    single_writer: bool = Field(
        False, description="On S3: the operator guarantees that only one process writes at a time"
    )


class Settings(AirflowSettings):
    """All settings of one environment. An unknown key is an error that names the key."""

    lake: str = Field(description="URI of the lake")
    landing: str = Field(description="URI of the landing zone")
    master: str = Field(description="Spark master")
    driver_memory: str = Field(pattern=r"^\d+[gm]$", description="Memory of the Spark driver")
    shuffle_partitions: int = Field(ge=1, description="Tasks of a shuffle")
    few_rows: int = Field(
        ge=0, description="A table with fewer input rows is computed in one task, without generated code"
    )
    parallel_tables: int = Field(ge=1, description="Tables of one run that are computed at the same time")
    timezone: str = Field(pattern="^UTC$", description="All times are UTC")
    snowflake_epoch_ms: int = Field(ge=0, description="Epoch of impression ids, ms")
    lateness_days: int = Field(ge=0, description="Days that a fact may arrive late")
    facts_days: int = Field(ge=1, description="Days that facts are kept, and that an undo may reach back")
    future_minutes: int = Field(ge=0, description="Minutes that a fact may lie after the end of its landed hour")
    min_day: date = Field(
        ge=FIRST_DAY, le=LAST_DAY, description="First day that a record of a change log or ledger may name"
    )
    max_day: date = Field(
        ge=FIRST_DAY, le=LAST_DAY, description="Last day that such a record may name; for an instant: 00:00 of it"
    )
    ledger_ahead_days: int = Field(ge=0, description="Days that an invoice's day may lie after its landed day")
    quarantine_share: float = Field(ge=0, le=1, description="Largest allowed share of bad records per event and hour")
    owners: dict[str, list[MailAddress]] = Field(description="Addresses that get the reports of each owner's tables")
    on_call: list[MailAddress] = Field(default_factory=list, description="Addresses that get every kind of failure")
    mail: Mail = Field(description="How reports are mailed")
    completeness: Completeness = Field(default_factory=Completeness, description="When a landed hour is late")
    history: History = Field(default_factory=History, description="Which hours rules about history compare")
    backlog: Backlog = Field(default_factory=Backlog, description="When due hours are a backlog")
    questions: Questions = Field(default_factory=Questions, description="What questions may cost")
    maintenance: Maintenance = Field(description="Retention of everything that no table contract covers")
    catalog: Catalog = Field(default_factory=Catalog, description="Names of the tables in Spark's catalog")
    openlineage: OpenLineage = Field(default_factory=OpenLineage, description="OpenLineage events of runs")
    ads: Ads = Field(default_factory=Ads, description="Rules of ads that a place keeps from an earlier release")
    data_docs_runs: int = Field(ge=1, le=50, description="Number of latest runs of a table that Data Docs show")
    backfill_days_without_yes: int = Field(ge=1, description="A backfill of more days needs --yes")
    backfill_change_budget: float = Field(
        ge=0, description="Largest relative change of a measure that a backfill publishes without --accept-changes"
    )
    umask: str = Field("077", pattern=r"^0?[0-7]{3}$", description="umask of new files and folders")
    lock_minutes: float = Field(30, gt=0, description="Minutes that a commit waits for a commit of another process")
    scratch: LocalFolder | None = Field(
        None, description="Folder of temporary files; None: a folder of this user in /tmp"
    )
    min_free_gb: float = Field(2, ge=0, description="Free space in GB below which `feed-etl doctor` fails")
    log_format: Literal["text", "json"] = Field(
        "text", description="Lines of standard error: text for people, or one JSON object each"
    )
    spark: dict[str, str] = Field(default_factory=dict, description="Additional Spark settings")

    @property
    def outbox(self) -> str:
        """The folder of mails to send: inside the lake, unless `mail.outbox` names another one."""
        return self.mail.outbox or f"{self.lake.rstrip('/')}/_outbox"


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ConfigError(f"No configuration {path.stem!r} in {path.parent}. Choose one of: {names}.")
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # not UTF-8, a 32nd of May, endless nesting
        raise ConfigError(f"{path} is not valid YAML: {first_line(error)}.") from error
    if not isinstance(loaded, dict) or not all(isinstance(name, str) for name in loaded):
        raise ConfigError(f"{path} must hold settings as `name: value`.")
    return loaded


def set_umask(settings: Settings) -> None:
    """Set the umask of this process and of its child processes, from `umask` in conf/ (default: owner only)."""
    os.umask(int(settings.umask, 8))


def _yaml(name: str) -> dict[str, Any]:
    """The merged settings of conf/base.yaml and conf/NAME.yaml. Raises ConfigError when they contain a secret."""
    merged: dict[str, Any] = {}
    for part in ("base", name):
        path = home() / "conf" / f"{part}.yaml"
        found = _read_yaml(path)
        secrets.refuse(str(path), found)
        merged |= found
    return merged


def _spark_file() -> dict[str, str]:
    """Secret Spark settings, from the YAML file that FEED_ETL_SPARK_FILE names (`name: value`)."""
    file = os.environ.get("FEED_ETL_SPARK_FILE", "").strip()
    if not file:
        return {}
    secrets.read(path := Path(file))
    return {name: str(value) for name, value in _read_yaml(path).items()}


S = TypeVar("S", bound=EnvironmentFirst)


def _validated(settings: type[S], name: str, values: dict[str, Any]) -> S:
    """The settings of configuration `name` from the values of its files. Raises ConfigError when one is not valid."""
    try:
        return settings(**values)
    except SettingsError as error:
        raise ConfigError(f"In the environment, {first_line(error)}. Write the value as JSON.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        hint = f" Known keys: {', '.join(Settings.model_fields)}." if first["type"] == "extra_forbidden" else ""
        raise ConfigError(f"Configuration {name!r}, key {key!r}: {first['msg']}.{hint}") from error


def airflow(name: str = "local") -> AirflowSettings:
    """The settings of configuration `name` for DAG files. Unlike `load`, it imports no catalog and no Spark."""
    values = {key: value for key, value in _yaml(name).items() if key in AirflowSettings.model_fields}
    return _validated(AirflowSettings, name, values)


def load(name: str = "local", **overrides: str | None) -> Settings:
    """The settings of configuration `name`. Overrides come from the command line and win; None means no override.

    Raises ConfigError when a file, a key or a value is not valid, or when a secret is in a readable place.
    """
    settings = _validated(Settings, name, _yaml(name))
    given = {k: v for k, v in overrides.items() if v is not None}
    uris = {k: given.get(k, getattr(settings, k)) for k in ("lake", "landing", "master")}
    secrets.refuse("A URI", uris)
    spark = {**settings.spark, **_spark_file()}
    secrets.refuse("Arguments of a JVM", {k: v for k, v in spark.items() if k.endswith("JavaOptions")})
    return settings.model_copy(update={**given, "spark": spark})
