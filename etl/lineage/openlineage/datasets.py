"""Tables and landed events as OpenLineage datasets: names, schema, and exact column lineage."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    dataset_version_dataset,
    documentation_dataset,
    ownership_dataset,
    schema_dataset,
    symlinks_dataset,
)

from etl import catalog
from etl.conf import Settings
from etl.engine.spark.files import absolute
from etl.engine.sql import views
from etl.lineage.flow import Lineage, Source, Uses
from etl.lineage.tables import landed, landed_columns
from etl.model.contract import Column, Event, Table

DIRECT = "DIRECT"
SUBTYPES = {"filter": "FILTER", "join": "JOIN", "group": "GROUP_BY", "order": "SORT", "window": "WINDOW"}
"""How a source influences a column -> subtype of OpenLineage. Others are written in capitals: EXPLODE, ROWS."""
Name = tuple[str, str]
"""Namespace and name of a dataset."""


def named(uri: str) -> Name:
    """The OpenLineage name of a URI: `file` and a path, or a store such as `s3://bucket` and a key."""
    parts = urlsplit(absolute(uri))
    if parts.scheme == "file":
        return "file", str(PurePosixPath(parts.path))
    scheme = "s3" if parts.scheme in ("s3a", "s3n") else parts.scheme
    path = parts.path if scheme == "hdfs" else parts.path.strip("/")
    return f"{scheme}://{parts.hostname if parts.password else parts.netloc}", path or "/"


def name_of(settings: Settings, name: str) -> Name:
    """The OpenLineage name of a table, or of a landed event (`landing.impressions`)."""
    _, is_landed, event = name.partition("landing.")
    if is_landed:
        return named(f"{settings.landing.rstrip('/')}/{event}")
    return named(views.uri(settings, catalog.entry(name).table))


def inputs(settings: Settings, table: Table, versions: dict[str, int]) -> list[InputDataset]:
    """What a table is made from: tables, with the Delta version that was read, or the files of a landed event."""
    if table.event:
        return [_landing(settings, table.event)]
    found = []
    for source in dict.fromkeys(i.table.name for i in table.inputs):
        facets: dict[str, Any] = {"schema": _schema(catalog.entry(source).table.columns)}
        if source in versions:
            facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(str(versions[source]))
        found.append(InputDataset(*name_of(settings, source), facets=facets))
    return found


def _landing(settings: Settings, event: Event) -> InputDataset:
    facets: dict[str, Any] = {"schema": _schema(landed_columns(event))}
    return InputDataset(*name_of(settings, landed(event)), facets=facets)


def output(settings: Settings, table: Table) -> OutputDataset:
    """A table with its schema, documentation, owner, and its name in Spark's catalog."""
    names = settings.catalog
    symlink = symlinks_dataset.Identifier(names.name, f"{names.schema_of(catalog.folder(table))}.{table.name}", "TABLE")
    facets: dict[str, Any] = {
        "schema": _schema(table.columns),
        "documentation": documentation_dataset.DocumentationDatasetFacet(catalog.entry(table.name).doc),
        "ownership": ownership_dataset.OwnershipDatasetFacet([ownership_dataset.Owner(table.owner)]),
        "symlinks": symlinks_dataset.SymlinksDatasetFacet([symlink]),
    }
    return OutputDataset(*name_of(settings, table.name), facets=facets)


def _schema(columns: Iterable[Column]) -> schema_dataset.SchemaDatasetFacet:
    fields = [schema_dataset.SchemaDatasetFacetFields(c.name, c.type, description=c.meaning) for c in columns]
    return schema_dataset.SchemaDatasetFacet(fields)


def column_lineage(settings: Settings, lineage: Lineage) -> column_lineage_dataset.ColumnLineageDatasetFacet:
    """The lineage of a table as a facet: sources of each column, and what influences which rows there are.

    A source that is the existence of a table's rows, not one of its columns, has the field `*`.
    """
    fields = {
        column: column_lineage_dataset.Fields(_fields(settings, _uses_of(flow.value, flow.through)))
        for column, flow in lineage.columns.items()
    }
    return column_lineage_dataset.ColumnLineageDatasetFacet(
        {name: field for name, field in fields.items() if field.inputFields},
        _fields(settings, _uses_of((), lineage.rows)),
    )


def _uses_of(value: Iterable[Source], through: Uses) -> dict[Source, list[column_lineage_dataset.Transformation]]:
    """Each source with its kinds of use, in a fixed order."""
    found: dict[Source, list[column_lineage_dataset.Transformation]] = {}
    for source in sorted(value):
        found.setdefault(source, []).append(column_lineage_dataset.Transformation(DIRECT))
    for how, source in sorted(through):
        kind = column_lineage_dataset.Transformation("INDIRECT", SUBTYPES.get(how, how.upper()))
        found.setdefault(source, []).append(kind)
    return found


def _fields(
    settings: Settings, uses: dict[Source, list[column_lineage_dataset.Transformation]]
) -> list[column_lineage_dataset.InputField]:
    return [
        column_lineage_dataset.InputField(*name_of(settings, source.table), source.column, kinds)
        for source, kinds in sorted(uses.items())
    ]
