"""The log of questions: what each `query`, `sql` and `report` read and cost. SQL reads it as `fct_query_cost`.

A question writes one small JSON file below `<lake>/_query_cost/day=…`, because a commit of a Delta table costs seconds
and a file costs milliseconds. `feed-etl maintain` merges the files of a day. See docs/decisions/0032-backlog.md.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.conf import Settings
from etl.engine.spark import documents, files
from etl.engine.spark.files import absolute

VIEW, DAILY = "fct_query_cost", "cost_daily"
SCHEMA = (
    "id STRING, started_at TIMESTAMP, user STRING, team STRING, command STRING, name STRING, tables ARRAY<STRING>,"
    " files BIGINT, bytes BIGINT, cpu_seconds DOUBLE, seconds DOUBLE"
)
KEPT_DAYS = 400
LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\b[0-9][\w.]*")
MERGED = "merged"


@dataclass(frozen=True)
class Question:
    """A row of the log. name: of a named query or report; of SQL text a fingerprint. files: NULL for a report.

    bytes: of the files that the question reads; of a report, those that Spark read. cpu_seconds: of Spark's tasks.
    """

    id: str
    started_at: datetime
    user: str
    team: str | None
    command: str
    name: str
    tables: list[str]
    files: int | None
    bytes: int
    cpu_seconds: float
    seconds: float


def new_id() -> str:
    """A unique id of a question."""
    return secrets.token_hex(8)


def user() -> str:
    """The name of the user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user entry
        return "unknown"


def fingerprint(text: str) -> str:
    """A hash of SQL text without its literals: it tells nothing about ids, and repeated questions have the same one."""
    shape = " ".join(LITERAL.sub("?", text).lower().split())
    return f"sql-{hashlib.blake2b(shape.encode(), digest_size=6).hexdigest()}"


def folder(settings: Settings) -> str:
    """URI of the log."""
    return f"{absolute(settings.lake)}/_query_cost"


def day_folder(settings: Settings, day: date) -> str:
    """URI of the files of a day."""
    return f"{folder(settings)}/day={day.isoformat()}"


def has_lake(spark: SparkSession, settings: Settings) -> bool:
    """Whether there is a lake, which a question must not create."""
    return files.exists(spark, f"{absolute(settings.lake)}/_ledger")


def append(spark: SparkSession, settings: Settings, question: Question) -> None:
    """Write a question as a file of its own. Raises OSError or an error of Spark when the lake cannot be written."""
    uri = f"{day_folder(settings, question.started_at.date())}/{question.id}.json"
    documents.create(spark, uri, json.dumps(asdict(question), default=datetime.isoformat) + "\n")


def rows(spark: SparkSession, settings: Settings) -> DataFrame:
    """Every question. One that is in a merged file and still in its own counts once."""
    days = files.list_folders(spark, folder(settings))
    if not days:
        return spark.createDataFrame([], SCHEMA)
    found = spark.read.schema(SCHEMA).json([files.glob_escape(day.uri) for day in days])
    return found.dropDuplicates(["id"])


def daily(spark: SparkSession, settings: Settings, ledger: DataFrame) -> DataFrame:
    """The cost of each day: of runs by the owner of their tables, and of questions by team.

    One row per day, kind (`run`, `question`) and who: number of ledger rows or questions, seconds, CPU seconds and
    bytes (NULL for runs, of which the ledger knows only seconds).
    """
    owners = spark.createDataFrame([(t.name, t.owner) for t in catalog.tables()], "table_name STRING, who STRING")
    runs = ledger.join(owners, "table_name").selectExpr(
        "to_date(started_at) AS day", "'run' AS kind", "who", "seconds",
        "CAST(NULL AS DOUBLE) AS cpu_seconds", "CAST(NULL AS BIGINT) AS bytes",
    )  # fmt: skip
    questions = rows(spark, settings).selectExpr(
        "to_date(started_at) AS day", "'question' AS kind", "coalesce(team, 'no team') AS who", "seconds",
        "cpu_seconds", "bytes",
    )  # fmt: skip
    grouped = runs.unionByName(questions).groupBy("day", "kind", "who")
    return grouped.agg(F.count("*").alias("count"), *[F.sum(c).alias(c) for c in ("seconds", "cpu_seconds", "bytes")])


def merge_day(spark: SparkSession, settings: Settings, day: date) -> None:
    """Merge the files of a day into one. After a kill between the two steps, `rows` still counts each question once."""
    uri = day_folder(settings, day)
    listed = files.list_files(spark, uri)
    texts = [documents.read(spark, each.uri) or "" for each in listed]
    lines = {json.loads(line)["id"]: line for text in texts for line in text.splitlines()}
    documents.replace(spark, f"{uri}/{MERGED}.json", "".join(f"{line}\n" for line in lines.values()))
    for each in listed:
        if each.name != f"{MERGED}.json":
            files.delete(spark, each.uri)


def utc_now() -> datetime:
    """The current time. The log is about people's questions, so the wall clock is right here."""
    return datetime.now(UTC)
