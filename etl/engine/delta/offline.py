"""Reads small Delta tables without Spark, through the library deltalake: for `feed-etl status`, which starts no JVM.

It reads local lakes and those on S3, Azure and Google. It never writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError, TableNotFoundError

from etl.conf import Settings
from etl.engine.spark.files import absolute
from etl.errors import LakeError, first_line

COLOR = re.compile(r"\x1b\[\d*m")
HADOOP = "spark.hadoop.fs.s3a."
OPTIONS = {"access.key": "AWS_ACCESS_KEY_ID", "secret.key": "AWS_SECRET_ACCESS_KEY", "session.token":
           "AWS_SESSION_TOKEN", "endpoint": "AWS_ENDPOINT_URL", "endpoint.region": "AWS_REGION"}  # fmt: skip
"""Setting of Hadoop's S3 client, without its prefix -> option of deltalake. Variables of the environment apply, too."""


def storage_options(spark: Mapping[str, str]) -> dict[str, str]:
    """The options of deltalake that mean the same as the Spark settings of conf/."""
    found = {option: spark[HADOOP + name] for name, option in OPTIONS.items() if HADOOP + name in spark}
    endpoint = found.get("AWS_ENDPOINT_URL", "")
    if endpoint and "://" not in endpoint:
        found["AWS_ENDPOINT_URL"] = f"https://{endpoint}"
    if endpoint.startswith("http://"):
        found["AWS_ALLOW_HTTP"] = "true"
    if spark.get(f"{HADOOP}path.style.access") == "true":
        found["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"] = "false"
    return found


def open_table(settings: Settings, path: str) -> DeltaTable | None:
    """A table of the lake by its path in it; None when it does not exist. Raises LakeError when it cannot be read."""
    uri = f"{absolute(settings.lake)}/{path}"
    try:
        return DeltaTable(uri.replace("s3a://", "s3://", 1), storage_options=storage_options(settings.spark))
    except TableNotFoundError:
        return None
    except (DeltaError, OSError, ValueError) as error:
        raise _unreadable(uri, error) from error


def rows(settings: Settings, path: str) -> list[dict[str, Any]]:
    """All rows of a small table, in no order; none when it does not exist. Raises LakeError when it cannot be read."""
    table = open_table(settings, path)
    if table is None:
        return []
    try:
        found = QueryBuilder().register("small", table).execute("SELECT * FROM small").read_all()
        return pa.table(found).to_pylist(maps_as_pydicts="strict")
    except Exception as error:  # deltalake raises plain exceptions when it reads data files
        raise _unreadable(f"{absolute(settings.lake)}/{path}", error) from error


def _unreadable(uri: str, error: Exception) -> LakeError:
    text = COLOR.sub("", str(error)).partition("0: <unknown>")[0]  # the rest is a stack trace of the library
    cause = " ".join(text.split())
    return LakeError(
        f"{uri} cannot be read without Spark: {first_line(cause).rstrip('.')}. `feed-etl check` says what is damaged."
    )
