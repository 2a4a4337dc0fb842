"""A later release of the shares for tests: the event and its tables got a column, and unknown fields are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl import catalog
from etl.model.contract import Column, Input
from etl.subjects.feed.events import SHARES
from etl.subjects.feed.facts import fct_shares
from etl.subjects.shared.bronze_tables import bronze_table

APP = Column(
    "app", "STRING", "Where the share was sent", values=("mail", "chat", "none"), nullable=True, default="'none'"
)
EVENT = replace(SHARES, fields=(*SHARES.fields[:2], APP, *SHARES.fields[2:]), keeps_unknown=True, lateness_days=14)
TABLE = replace(
    fct_shares.TABLE,
    columns=(*fct_shares.TABLE.columns[:3], APP, *fct_shares.TABLE.columns[3:]),
    inputs=(Input(bronze_table(EVENT)),),
)


def transform(bronze_shares: DataFrame) -> DataFrame:
    return bronze_shares.withColumn("share_hour", F.date_trunc("hour", "share_ts")).select(*TABLE.column_names)


@contextmanager
def shares() -> Iterator[None]:
    """The catalog of that release."""
    module = ModuleType(fct_shares.__name__, fct_shares.__doc__)
    module.__dict__.update({"TABLE": TABLE, "transform": transform})
    modules, subjects, vocabulary = catalog._modules, catalog.subjects(), catalog.vocabulary()
    feed = subjects["feed"]
    evolved = replace(feed, events=tuple(EVENT if e is SHARES else e for e in feed.events))
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(catalog, "_modules", lambda: [module if m is fct_shares else m for m in modules()])
            patched.setattr(catalog, "subjects", lambda: subjects | {"feed": evolved})
            patched.setattr(catalog, "vocabulary", lambda: {**vocabulary, "app": APP})
            catalog.entries.cache_clear()
            yield
    finally:
        catalog.entries.cache_clear()
