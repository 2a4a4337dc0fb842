"""With a key, tables told per viewer never hold the viewer's id, and sketches of people are made of keyed numbers.

A pseudonym is -1 - n, where n are the first 62 bits of HMAC-SHA-256 of the id in decimal digits: it is negative, and
above every replacement id (`etl/model/privacy.py`). Whoever has the key can make it with any tool, nobody else can.
Which key a table was made with stands in its properties as a fingerprint; another one, or none, is refused. A table
whose sketches were made of plain ids before there was a key goes on so: sketches of two kinds must not be merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.engine.delta import tables as delta
from etl.engine.people import keyed
from etl.engine.people.keys import SECRET, fingerprint, pseudonym_key
from etl.errors import ConfigError
from etl.model.contract import Table
from etl.model.privacy import REPLACEMENT_IDS_BELOW, viewer_column

PROPERTY = "feed_etl.viewers"
SKETCHES = "feed_etl.sketches"
IDS = "ids"
NAMESPACE = "sketch"
Logic = Callable[..., DataFrame]


def known_ids(viewer: int) -> list[int]:
    """Every number a viewer may be known by in this place: the id, and with a key the pseudonym."""
    secret = pseudonym_key()
    return [viewer] if secret is None else [viewer, keyed.number(secret, "", viewer)]


def viewer_id_kind() -> str:
    """What tables per viewer that are made here hold, as their properties say it: ids, or pseudonyms of which key."""
    secret = pseudonym_key()
    return IDS if secret is None else f"pseudonyms {fingerprint(secret)}"


def sketch_id_kind() -> str:
    """What sketches that are made here are made of: ids, or keyed numbers of which key."""
    secret = pseudonym_key()
    return IDS if secret is None else f"keyed {fingerprint(secret)}"


def describe(table: Table) -> dict[str, str | None]:
    """How a table that is made here knows people: viewers in its key, and its sketches."""
    plain = f"{IDS}: without a key, whoever reads a sketch can find its members by trying ids"
    sketches = sketch_id_kind() if pseudonym_key() else plain
    return {
        "viewers": viewer_id_kind() if table.per_viewer else None,
        "sketches": sketches if table.has_sketch else None,
    }


def properties(spark: SparkSession, table: Table, uri: str) -> dict[str, str]:
    """What a table that is made now says of its key. Sketches that are merged from a table's are of that one's key."""
    said = {PROPERTY: viewer_id_kind()} if table.per_viewer else {}
    if table.has_sketch:
        said[SKETCHES] = next(_merged(spark, table, uri), sketch_id_kind())
    return said


def _merged(spark: SparkSession, table: Table, uri: str) -> Iterator[str]:
    """What sketches of the tables it merges them from are made of."""
    lake = uri.rsplit("/", 2)[0]
    for source in (i.table for i in table.inputs if i.table.has_sketch):
        where = f"{lake}/{source.layer.name.lower()}/{source.name}"
        if delta.is_table(spark, where):
            yield _of(spark, where, SKETCHES)


def _of(spark: SparkSession, uri: str, name: str) -> str:
    return delta.properties(spark, uri).get(name, IDS)


def check(spark: SparkSession, table: Table, uri: str) -> None:
    """Raises ConfigError when a table is there and was made with another key than this place has."""
    if not (table.per_viewer or table.has_sketch) or not delta.is_table(spark, uri):
        return
    if table.has_sketch:
        return _check_sketches(spark, table, uri)
    there = _of(spark, uri, PROPERTY)
    if there != viewer_id_kind():
        why = f"holds ids of viewers, but {SECRET} is set" if there == IDS else f"holds pseudonyms of another {SECRET}"
        raise ConfigError(f"{table.name} {why}: set it as it was, or see docs/retention.md on how to change it.")


def _check_sketches(spark: SparkSession, table: Table, uri: str) -> None:
    there = _of(spark, uri, SKETCHES)
    if there not in (IDS, sketch_id_kind()):
        raise ConfigError(
            f"{table.name} holds sketches of another {SECRET}: set it as it was, or see docs/retention.md on how to "
            "change it."
        )
    for source in _merged(spark, table, uri):
        if source != there:
            raise ConfigError(
                f"{table.name} holds sketches of {there}, but what it merges is of {source}: remove the table and "
                "backfill it, see docs/retention.md."
            )


def pseudonymize(table: Table, logic: Logic, sketches: str) -> Logic:
    """The logic of a table as a place with a key makes it; `sketches` says what its sketches are made of.

    Of a table per viewer ids are made pseudonyms last of all. Of one with sketches they are made keyed numbers first.
    """
    secret = pseudonym_key()
    if secret is None:
        return logic
    if table.per_viewer:
        return _pseudonymous(table, logic, secret)
    return _keyed(logic, secret) if table.has_sketch and sketches != IDS else logic


def _pseudonymous(table: Table, logic: Logic, secret: bytes) -> Logic:
    ids = [c.name for c in table.columns if c.privacy == "viewer"]

    def made(*inputs: DataFrame, **named: DataFrame) -> DataFrame:
        rows = logic(*inputs, **named)
        hashed = keyed.columns(rows.sparkSession, secret)
        return rows.withColumns({name: hashed.number("", F.col(name)) for name in ids})

    return made


def _keyed(logic: Logic, secret: bytes) -> Logic:
    return lambda *inputs, **named: logic(
        *[_without_ids(rows, secret) for rows in inputs],
        **{name: _without_ids(rows, secret) for name, rows in named.items()},
    )


def _without_ids(rows: DataFrame, secret: bytes) -> DataFrame:
    """Rows with a keyed number in place of each person's id; a replacement id is nobody's and stays."""
    whose = viewer_column(rows.columns)
    if whose is None:
        return rows
    number = keyed.columns(rows.sparkSession, secret).number(NAMESPACE, F.col(whose))
    return rows.withColumn(whose, F.when(F.col(whose) < REPLACEMENT_IDS_BELOW, F.col(whose)).otherwise(number))


def sketch_id_kind_of(spark: SparkSession, uri: str) -> str:
    """What the sketches of a table are made of; of one that is not there, what this place makes them of."""
    return _of(spark, uri, SKETCHES) if delta.is_table(spark, uri) else sketch_id_kind()
