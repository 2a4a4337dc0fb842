"""The scheduler's run that started a run: as Airflow passes it on, or in the environment."""

from __future__ import annotations

import uuid

import pytest

from etl.lineage.openlineage import parent
from etl.lineage.openlineage.parent import Parent

AIRFLOW = Parent(
    "airflow", "feed_hourly.run_hour", str(uuid.UUID(int=7)), Parent("airflow", "feed_hourly", str(uuid.UUID(int=8)))
)


def test_the_parent_is_the_run_that_airflow_names_in_spark_properties() -> None:
    given = {"parentJobNamespace": "airflow", "parentJobName": "feed_hourly.run_hour", "parentRunId": AIRFLOW.run_id}
    assert AIRFLOW.root
    root = {
        "rootParentJobNamespace": "airflow",
        "rootParentJobName": "feed_hourly",
        "rootParentRunId": AIRFLOW.root.run_id,
    }
    properties = {f"spark.openlineage.{key}": value for key, value in (given | root).items()}
    assert parent.find(properties, {"OPENLINEAGE_PARENT_ID": f"other/job/{uuid.UUID(int=1)}"}) == AIRFLOW
    facet = AIRFLOW.facet()
    assert facet.root and (facet.root.job.name, facet.root.run.runId) == ("feed_hourly", AIRFLOW.root.run_id)


@pytest.mark.parametrize("text", ["", "airflow/job", "airflow/job/no-uuid", f"//{uuid.UUID(int=1)}"])
def test_a_parent_that_is_not_valid_is_no_parent(text: str) -> None:
    assert parent.find({}, {"OPENLINEAGE_PARENT_ID": text}) is None


def test_a_namespace_may_have_slashes() -> None:
    found = parent.find({}, {"OPENLINEAGE_PARENT_ID": f"https://host/airflow/job/{uuid.UUID(int=1)}"})
    assert found == Parent("https://host/airflow", "job", str(uuid.UUID(int=1)))
