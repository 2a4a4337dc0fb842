"""A real Airflow, through the official client of its REST API, for the demo and for tests."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow_client import client
from airflow_client.client.exceptions import ApiException, NotFoundException
from airflow_client.client.models.clear_task_instances_body_task_ids_inner import ClearTaskInstancesBodyTaskIdsInner
from urllib3.exceptions import HTTPError

SECONDS = 3600
"""Timeout of each step; a run whose tables run alone is about fifteen Spark applications."""
UP_SECONDS = 300


class Unexpected(Exception):
    """Airflow did not do what the demo or test expects."""


class Airflow:
    """One running Airflow: its port, its home folder (with the password) and its process."""

    def __init__(self, port: int, home: Path, process: subprocess.Popen[bytes]) -> None:
        self.url, self.home, self.process = f"http://127.0.0.1:{port}", home, process
        self.connection = client.ApiClient(client.Configuration(host=self.url))

    @cached_property
    def _dags(self) -> client.DAGApi:
        return client.DAGApi(self.connection)

    @cached_property
    def _runs(self) -> client.DagRunApi:
        return client.DagRunApi(self.connection)

    @cached_property
    def _tasks(self) -> client.TaskInstanceApi:
        return client.TaskInstanceApi(self.connection)

    @cached_property
    def _xcoms(self) -> client.XComApi:
        return client.XComApi(self.connection)

    @cached_property
    def _assets(self) -> client.AssetApi:
        return client.AssetApi(self.connection)

    @cached_property
    def _backfills(self) -> client.BackfillApi:
        return client.BackfillApi(self.connection)

    def wait_until_up(self) -> None:
        """Wait until the REST API returns the DAGs."""
        deadline = time.monotonic() + UP_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Unexpected(f"Airflow ended with {self.process.returncode}")
            try:
                self._log_in()
                self._dags.get_dag("feed_hourly")
                return
            except (OSError, ValueError, HTTPError, ApiException):  # not listening, no password yet, not parsed yet
                time.sleep(2)
        raise Unexpected(f"Airflow did not start within {UP_SECONDS} seconds")

    def _log_in(self) -> None:
        """Get a token. This call belongs to the auth manager and is not in the client."""
        passwords = self.home / "simple_auth_manager_passwords.json.generated"
        known = {"username": "admin", "password": json.loads(passwords.read_text())["admin"]}
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/auth/token", json.dumps(known).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            self.connection.configuration.access_token = json.load(answer)["access_token"]

    def unpause(self, dag: str) -> None:
        """Let the scheduler run a DAG."""
        self._dags.patch_dag(dag, client.DAGPatchBody(is_paused=False))

    def trigger(self, dag: str, params: dict[str, Any]) -> str:
        """Start a run, like the form in the UI, and return its id."""
        body = client.TriggerDAGRunPostBody(logical_date=None, conf=params)
        return str(self._runs.trigger_dag_run(dag, body).dag_run_id)

    def first_run(self, dag: str) -> str:
        """Wait for the first run of a DAG and return its id."""
        for _ in self._polls():
            if runs := self._runs.get_dag_runs(dag, limit=1, order_by=["run_after"]).dag_runs:
                return str(runs[0].dag_run_id)
        raise Unexpected(f"no run of {dag}")

    def run_of(self, dag: str, hour: datetime, kind: str = "scheduled") -> str:
        """Wait for the run of an hour and return its id."""
        for _ in self._polls():
            for run in self._runs.get_dag_runs(dag, limit=100).dag_runs:
                if run.run_type == kind and run.data_interval_start == hour:
                    return str(run.dag_run_id)
        raise Unexpected(f"no {kind} run of {dag} for {hour}")

    def finished(self, dag: str, run: str) -> str:
        """Wait for the end of a run and return its state."""
        for _ in self._polls():
            state = self._runs.get_dag_run(dag, run).state
            if state in (client.DagRunState.SUCCESS, client.DagRunState.FAILED):
                return str(state.value)
        raise Unexpected(f"run {run} of {dag} does not end")

    def seconds(self, dag: str, run: str) -> float:
        """Seconds from the moment a run was scheduled to its end."""
        found = self._runs.get_dag_run(dag, run)
        assert found.queued_at
        assert found.end_date
        return (found.end_date - found.queued_at).total_seconds()

    def first_success(self, dag: str, run: str) -> set[str]:
        """Wait for the first successful tasks of a run and return their ids."""
        for _ in self._polls():
            if found := {name for name, task in self.tasks(dag, run).items() if task.state == "success"}:
                return found
        raise Unexpected(f"no task of {run} of {dag} succeeds")

    def with_xcom(self, dag: str, run: str, key: str, value: object) -> set[str]:
        """The tasks of a run that published this value under this key."""
        return {task for task in self.tasks(dag, run) if self._xcom(dag, run, task, key) == value}

    def _xcom(self, dag: str, run: str, task: str, key: str) -> object:
        try:
            found = self._xcoms.get_xcom_entry(dag, task, run, key, deserialize=True).actual_instance
        except NotFoundException:
            return None
        return found.value if found else None

    def updated_assets(self, dag: str, run: str) -> set[str]:
        """The tasks of a run that updated their asset."""
        found = self._assets.get_asset_events(source_dag_id=dag, source_run_id=run, limit=100)
        return {str(event.source_task_id) for event in found.asset_events}

    def log(self, dag: str, run: str, task: str) -> str:
        """The log of the first try of a task, as the UI shows it."""
        return str(self._tasks.get_log(dag, run, task, 1).content)

    def tasks(self, dag: str, run: str) -> dict[str, client.TaskInstanceResponse]:
        """Every task instance of a run by task id."""
        return {task.task_id: task for task in self._tasks.get_task_instances(dag, run, limit=100).task_instances}

    def command(self, dag: str, run: str) -> list[str]:
        """The `feed-etl` arguments of the first task of a run that starts."""
        for _ in self._polls():
            for task in self.tasks(dag, run).values():
                if task.start_date and (words := (task.rendered_fields or {}).get("application_args")):
                    return [str(word) for word in words]
        raise Unexpected(f"no task of {run} of {dag} starts")

    def cancel_backfills(self, dag: str) -> None:
        """Cancel Airflow's own backfills of a DAG."""
        for found in self._backfills.list_backfills(dag).backfills:
            if not found.completed_at:
                self._backfills.cancel_backfill(found.id)

    def clear(self, dag: str, run: str, tasks: list[str], downstream: bool = True) -> None:
        """Clear tasks of a run so that they run again. By default it clears everything downstream, too."""
        chosen = [ClearTaskInstancesBodyTaskIdsInner(task) for task in tasks]
        body = client.ClearTaskInstancesBody(
            dag_run_id=run, dry_run=False, task_ids=chosen, include_downstream=downstream, only_failed=False
        )
        self._tasks.post_clear_task_instances(dag, body)

    def _polls(self) -> Iterator[None]:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            yield
            time.sleep(2)
