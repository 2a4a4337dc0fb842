"""The Airflow asset of each table. Schedule a DAG on one, and it runs on data that has passed its audit."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import Asset

from etl.airflow.tables import Step


def asset(step: Step) -> Asset:
    """The asset of a table. It is updated when the table passes its audit and is published."""
    return Asset(name=step.name, uri=f"feed-etl://{step.layer}/{step.name}", group=step.layer)


def landed_hour(start: datetime | None) -> dict[str, str]:
    """What an event of an asset says: the landed hour of the run. A manual run may have none."""
    return {"landed_hour": start.isoformat()} if start else {}
