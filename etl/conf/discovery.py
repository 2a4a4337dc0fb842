"""The sections of the configuration that say how other tools find the tables: Spark's catalog, and OpenLineage."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from etl.conf.sections import LocalFolder

SUBJECT = "{subject}"


class Catalog(BaseModel):
    """The names of the tables in Spark's catalog: `<name>.<schema>.<table>`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after_run: bool = Field(default=False, description="`feed-etl run` registers new and changed tables at its end")
    name: str = Field(default="spark_catalog", pattern=r"^[a-z][a-z0-9_]*$", description="Spark's catalog")
    schemas: str = Field(
        default=SUBJECT,
        pattern=r"^[a-z][a-z0-9_]*(\{subject\})?[a-z0-9_]*$|^\{subject\}[a-z0-9_]*$",
        description="Schema of a table; {subject} stands for the folder of its subject",
    )
    metastore: LocalFolder | None = Field(
        default=None,
        description="Folder of the local metastore; None: _catalog of the lake. Unused with a Hive metastore",
    )

    def schema_of(self, subject: str) -> str:
        """The schema of the tables of a subject."""
        return self.schemas.replace(SUBJECT, subject)


class OpenLineage(BaseModel):
    """The OpenLineage events of runs. The receiver is configured as the OpenLineage client wants it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="Whether runs send events")
    namespace: str = Field(default="feed-etl", min_length=1, description="Namespace of the jobs")
    folder: LocalFolder | None = Field(
        default=None, description="Folder of event files, used without a receiver; None: _lineage of the lake"
    )
    keep_days: int = Field(default=7, ge=1, description="Days that event files in the lake are kept")
    wait_seconds: float = Field(default=10, gt=0, description="Seconds that a run waits for the receiver at its end")
