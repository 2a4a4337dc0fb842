"""The OpenLineage events of one run of feed-etl, and of the job of each table in it.

A job is a table; a run of a job is what one run of feed-etl did to the table. No event holds a value of a row: a failed
rule is written with its number of rows, an error without its samples.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from openlineage.client.event_v2 import Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    data_quality_assertions_dataset,
    dataset_version_dataset,
    documentation_job,
    error_message_run,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    processing_engine_run,
)
from openlineage.client.uuid import generate_static_uuid

from etl.conf import Settings
from etl.engine.quality import suites
from etl.engine.quality.rule import Rule
from etl.engine.state.entry import Entry
from etl.errors import ContractViolation, FeedEtlError, lasting
from etl.lineage.flow import Lineage
from etl.lineage.openlineage import datasets
from etl.lineage.openlineage.parent import Parent
from etl.model.contract import Table

PRODUCER = "https://feed-etl/openlineage"
RUN = "feed-etl.run"
SEVERITIES = {"critical": "error", "warning": "warn", "info": "info"}


@dataclass(frozen=True)
class RunIds:
    """Which run an event is about: id of feed-etl's run, its interval of landed hours, and the scheduler's run."""

    run_id: str
    interval: tuple[datetime, datetime] | None
    parent: Parent | None

    def of(self, job: str) -> str:
        """The id of a job's run: equal ids for equal runs, so that START and COMPLETE have the same one."""
        started = datetime.strptime(self.run_id[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        return str(generate_static_uuid(started, f"{self.run_id}/{job}".encode()))


class Events:
    """Makes the events of runs.

    lineages: gives table -> its lineage. It is asked for when the first table is complete, because it may take seconds.
    """

    def __init__(self, settings: Settings, lineages: Callable[[], dict[str, Lineage]]) -> None:
        self.settings, self.lineages = settings, lineages

    def of_run(self, state: RunState, ids: RunIds, error: FeedEtlError | None = None) -> RunEvent:
        """The event of a whole run, which is the parent of the runs of its tables."""
        facets = self._facets(ids, ids.parent, error)
        return self._event(state, Run(ids.of(RUN), facets), self._job(RUN, "FEED_ETL", "RUN"))

    def started(self, ids: RunIds, table: Table) -> RunEvent:
        """START of a table's job."""
        return self._of_table(RunState.START, ids, table, {}, [datasets.output(self.settings, table)])

    def completed(self, ids: RunIds, table: Table, entry: Entry | None) -> RunEvent:
        """COMPLETE of a table's job. `entry` is its ledger row; None when the table was up to date."""
        found = datasets.output(self.settings, table)
        versions: dict[str, int] = {}
        if entry:
            versions = entry.input_versions
            self._add_result(found, table, entry)
        return self._of_table(RunState.COMPLETE, ids, table, versions, [found])

    def failed(self, ids: RunIds, table: Table, entry: Entry | None, error: FeedEtlError) -> RunEvent:
        """FAIL of a table's job. With the ledger row of a failed audit, the event says which rules failed."""
        found = datasets.output(self.settings, table)
        if entry:
            self._add_assertions(found, table, entry)
        return self._of_table(RunState.FAIL, ids, table, entry.input_versions if entry else {}, [found], error)

    def _add_result(self, found: OutputDataset, table: Table, entry: Entry) -> None:
        """Add what a job published: rows, version, column lineage, and what its audit found."""
        assert found.facets is not None
        statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=entry.rows_written)
        found.outputFacets = {"outputStatistics": statistics}
        if entry.output_version is not None:
            found.facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(str(entry.output_version))
        if lineage := self.lineages().get(table.name):
            found.facets["columnLineage"] = datasets.column_lineage(self.settings, lineage)
        self._add_assertions(found, table, entry)

    def _add_assertions(self, found: OutputDataset, table: Table, entry: Entry) -> None:
        """Add the rules of a table with their results. The batch that they judged is the output of the job."""
        assert found.facets is not None
        failures = {failure["rule"]: failure for failure in json.loads(entry.failures)}
        results = [_assertion(rule, failures.pop(rule.name, None)) for rule in _rules(table)] if entry.rules else []
        others = [_of_the_job(failure) for failure in failures.values()]
        if results + others:
            facet: Any = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(results + others)
            found.facets["dataQualityAssertions"] = facet

    def _of_table(
        self,
        state: RunState,
        ids: RunIds,
        table: Table,
        versions: dict[str, int],
        outputs: list[OutputDataset],
        error: FeedEtlError | None = None,
    ) -> RunEvent:
        parent = Parent(self.settings.openlineage.namespace, RUN, ids.of(RUN), ids.parent)
        run = Run(ids.of(table.name), self._facets(ids, parent, error))
        job = self._job(table.name, "FEED_ETL", "TABLE", f"Makes the table {table.name} of {table.owner}")
        return self._event(state, run, job, inputs=datasets.inputs(self.settings, table, versions), outputs=outputs)

    def _facets(self, ids: RunIds, parent: Parent | None, error: FeedEtlError | None) -> dict[str, Any]:
        facets: dict[str, Any] = {
            "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
                version=version("pyspark"), name="spark", openlineageAdapterVersion=version("feed-etl")
            )
        }
        if ids.interval:
            facets["nominalTime"] = nominal_time_run.NominalTimeRunFacet(*map(_iso, ids.interval))
        if parent:
            facets["parent"] = parent.facet()
        if error:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(lasting(error), "python")
        return facets

    def _job(self, name: str, integration: str, kind: str, text: str = "") -> Job:
        facets: dict[str, Any] = {"jobType": job_type_job.JobTypeJobFacet("BATCH", integration, jobType=kind)}
        if text:
            facets["documentation"] = documentation_job.DocumentationJobFacet(text)
        return Job(self.settings.openlineage.namespace, name, facets)

    def _event(self, state: RunState, run: Run, job: Job, **data: Any) -> RunEvent:
        return RunEvent(eventTime=_iso(datetime.now(UTC)), producer=PRODUCER, run=run, job=job, eventType=state, **data)


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rules(table: Table) -> list[Rule]:
    """The rules of a table; none when its suite is missing or malformed, which is a failure of its own."""
    try:
        return suites.suite(table)
    except ContractViolation:
        return []


def _assertion(rule: Rule, failure: dict[str, Any] | None) -> data_quality_assertions_dataset.Assertion:
    column = str(rule.kwargs.get("column") or "") or None
    count = str(failure["count"]) if failure and failure.get("count") is not None else None
    return data_quality_assertions_dataset.Assertion(
        assertion=rule.type,
        success=failure is None,
        column=column,
        severity=SEVERITIES[rule.severity],
        name=rule.name,
        description=rule.reason,
        actual=f"{count} rows" if count else None,
    )


def _of_the_job(failure: dict[str, Any]) -> data_quality_assertions_dataset.Assertion:
    """A failure that no rule of the suite has: the job itself found it, for example a late hour."""
    return data_quality_assertions_dataset.Assertion(
        assertion=failure["rule"], success=False, severity=SEVERITIES[failure["severity"]], name=failure["rule"]
    )
