"""The scheduler's run that started this run, from what Airflow or another scheduler passes on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from openlineage.client.facet_v2 import parent_run

ENVIRONMENT = "OPENLINEAGE_PARENT_ID", "OPENLINEAGE_ROOT_PARENT_ID"
"""Variables of the form NAMESPACE/JOB/RUN_ID: the run that started this one, and the run that began it all."""
SPARK = "spark.openlineage."
"""Prefix of the Spark properties that Airflow's OpenLineage provider adds to an application."""


@dataclass(frozen=True)
class Parent:
    """A run of another job. root: the run that its chain of parents began with; None when it is the parent itself."""

    namespace: str
    job: str
    run_id: str
    root: Parent | None = None

    def facet(self) -> parent_run.ParentRunFacet:
        """The facet that links a run to this one."""
        top = self
        while top.root:
            top = top.root
        root = parent_run.Root(parent_run.RootRun(top.run_id), parent_run.RootJob(top.namespace, top.job))
        return parent_run.ParentRunFacet(
            run=parent_run.Run(self.run_id), job=parent_run.Job(self.namespace, self.job), root=root
        )


def find(properties: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> Parent | None:
    """The scheduler's run: from Spark properties, or else from the environment; None without one that is valid."""
    root = _of_properties(properties, "rootParent") or _of_text(environment.get(ENVIRONMENT[1], ""))
    own = _of_properties(properties, "parent") or _of_text(environment.get(ENVIRONMENT[0], ""))
    return Parent(own.namespace, own.job, own.run_id, root) if own else None


def _of_properties(properties: Mapping[str, str], which: str) -> Parent | None:
    keys = (f"{SPARK}{which}{part}" for part in ("JobNamespace", "JobName", "RunId"))
    return _valid(*(properties.get(key, "") for key in keys))


def _of_text(text: str) -> Parent | None:
    """A parent from NAMESPACE/JOB/RUN_ID. The namespace may be a URI with slashes."""
    namespace, _, run_id = text.rpartition("/")
    namespace, _, job = namespace.rpartition("/")
    return _valid(namespace, job, run_id)


def _valid(namespace: str, job: str, run_id: str) -> Parent | None:
    try:
        return Parent(namespace, job, str(UUID(run_id))) if namespace and job else None
    except ValueError:
        return None
