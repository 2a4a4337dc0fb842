"""Pseudonyms: with a pseudonym key, tables with a row per viewer hold a keyed hash in place of the viewer's id.

A pseudonym is -1 - n, where n are the first 62 bits of HMAC-SHA-256 of the id in decimal digits. It is negative, and
greater than every replacement id (`etl/model/privacy.py`). Who has the key can compute it with any tool; nobody else
can.

With a key, sketches of people contain keyed hashes, too. A table property holds the fingerprint of the key that the
table was made with; a run with another key, or without one, is refused. A table whose sketches contain plain ids, from
before there was a key, continues with plain ids: sketches of two kinds must not be merged.
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
    """Every number that tables may hold for a viewer: the id and, with a key, the pseudonym."""
    secret = pseudonym_key()
    return [viewer] if secret is None else [viewer, keyed.number(secret, "", viewer)]


def viewer_id_kind() -> str:
    """Property of new tables with a row per viewer: `ids`, or `pseudonyms` and the fingerprint of the key."""
    secret = pseudonym_key()
    return IDS if secret is None else f"pseudonyms {fingerprint(secret)}"


def sketch_id_kind() -> str:
    """Property of new tables with sketches: `ids`, or `keyed` and the fingerprint of the key."""
    secret = pseudonym_key()
    return IDS if secret is None else f"keyed {fingerprint(secret)}"


def describe(table: Table) -> dict[str, str | None]:
    """How a new table of this environment identifies people: in its viewer column, and in its sketches."""
    plain = f"{IDS}: without a key, anybody who reads a sketch can find its members by trying ids"
    sketches = sketch_id_kind() if pseudonym_key() else plain
    return {
        "viewers": viewer_id_kind() if table.per_viewer else None,
        "sketches": sketches if table.has_sketch else None,
    }


def properties(spark: SparkSession, table: Table, uri: str) -> dict[str, str]:
    """Table properties that tell how a new table identifies people.

    A table that merges the sketches of its inputs has the kind of those sketches.
    """
    kinds = {PROPERTY: viewer_id_kind()} if table.per_viewer else {}
    if table.has_sketch:
        kinds[SKETCHES] = next(_kinds_of_merged_sketches(spark, table, uri), sketch_id_kind())
    return kinds


def _kinds_of_merged_sketches(spark: SparkSession, table: Table, uri: str) -> Iterator[str]:
    """The kind of the sketches of each input that a table merges sketches from."""
    lake = uri.rsplit("/", 2)[0]
    for source in (i.table for i in table.inputs if i.table.has_sketch):
        source_uri = f"{lake}/{source.path}"
        if delta.is_table(spark, source_uri):
            yield _property(spark, source_uri, SKETCHES)


def _property(spark: SparkSession, uri: str, name: str) -> str:
    return delta.properties(spark, uri).get(name, IDS)


def check(spark: SparkSession, table: Table, uri: str) -> None:
    """Raises ConfigError when a table exists and was made with another key than that of this environment."""
    if not (table.per_viewer or table.has_sketch) or not delta.is_table(spark, uri):
        return
    if table.has_sketch:
        return _check_sketches(spark, table, uri)
    refuse_other_key(table, _property(spark, uri, PROPERTY))


def refuse_other_key(table: Table, kind: str) -> None:
    """Raises ConfigError when `kind`, the property of a table with a row per viewer, is not of this environment."""
    if kind != viewer_id_kind():
        why = f"holds ids of viewers, but {SECRET} is set" if kind == IDS else f"holds pseudonyms of another {SECRET}"
        raise ConfigError(f"{table.name} {why}. Set the key as it was; docs/retention.md says how to change it.")


def _check_sketches(spark: SparkSession, table: Table, uri: str) -> None:
    kind = _property(spark, uri, SKETCHES)
    if kind not in (IDS, sketch_id_kind()):
        raise ConfigError(
            f"{table.name} holds sketches of another {SECRET}. Set the key as it was; docs/retention.md says how to "
            "change it."
        )
    for source_kind in _kinds_of_merged_sketches(spark, table, uri):
        if source_kind != kind:
            raise ConfigError(
                f"{table.name} holds sketches of kind {kind!r}, but the sketches it merges are of kind "
                f"{source_kind!r}. Remove the table and backfill it; see docs/retention.md."
            )


def pseudonymize(table: Table, logic: Logic, sketches: str) -> Logic:
    """Wrap a table's transform so that it does not put viewer ids into the table. Without a key: the transform itself.

    A table with a row per viewer: ids in the output become pseudonyms. A table with sketches: ids in the inputs become
    keyed hashes. `sketches` is the kind of its sketches; with `ids` they stay plain.
    """
    secret = pseudonym_key()
    if secret is None:
        return logic
    if table.per_viewer:
        return _with_pseudonyms_in_output(table, logic, secret)
    return _with_keyed_inputs(logic, secret) if table.has_sketch and sketches != IDS else logic


def _with_pseudonyms_in_output(table: Table, logic: Logic, secret: bytes) -> Logic:
    ids = [c.name for c in table.columns if c.privacy == "viewer"]

    def wrapped(*inputs: DataFrame, **named_inputs: DataFrame) -> DataFrame:
        rows = logic(*inputs, **named_inputs)
        hashed = keyed.columns(rows.sparkSession, secret)
        return rows.withColumns({name: hashed.number("", F.col(name)) for name in ids})

    return wrapped


def _with_keyed_inputs(logic: Logic, secret: bytes) -> Logic:
    return lambda *inputs, **named_inputs: logic(
        *[_without_ids(rows, secret) for rows in inputs],
        **{name: _without_ids(rows, secret) for name, rows in named_inputs.items()},
    )


def _without_ids(rows: DataFrame, secret: bytes) -> DataFrame:
    """Rows with a keyed hash in place of each viewer's id. A replacement id identifies nobody, so it stays."""
    column = viewer_column(rows.columns)
    if column is None:
        return rows
    number = keyed.columns(rows.sparkSession, secret).number(NAMESPACE, F.col(column))
    return rows.withColumn(column, F.when(F.col(column) < REPLACEMENT_IDS_BELOW, F.col(column)).otherwise(number))


def sketch_id_kind_of(spark: SparkSession, uri: str) -> str:
    """The kind of the sketches of a table; of a table that does not exist yet, the kind that new tables have."""
    return _property(spark, uri, SKETCHES) if delta.is_table(spark, uri) else sketch_id_kind()
