"""Client of a real Airflow through its public REST API, for the demo and for tests."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

SECONDS = 3600
"""Timeout of each step; a run of all tables is about fifteen Spark applications."""
UP_SECONDS = 300


class Unexpected(Exception):
    """Airflow did not do what the demo or test expects."""


class Airflow:
    """One running Airflow: its port, its home folder (with the password) and its process."""

    def __init__(self, port: int, home: Path, process: subprocess.Popen[bytes]) -> None:
        self.url, self.home, self.process, self.token = f"http://127.0.0.1:{port}", home, process, ""

    def wait_until_up(self) -> None:
        """Wait until the REST API returns the DAGs."""
        deadline = time.monotonic() + UP_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Unexpected(f"Airflow ended with {self.process.returncode}")
            try:
                self._log_in()
                self._call("GET", "dags/feed_hourly")
                return
            except (OSError, ValueError):  # not listening, no password yet, not parsed yet
                time.sleep(2)
        raise Unexpected(f"Airflow did not start within {UP_SECONDS} seconds")

    def _log_in(self) -> None:
        passwords = self.home / "simple_auth_manager_passwords.json.generated"
        known = {"username": "admin", "password": json.loads(passwords.read_text())["admin"]}
        self.token = self._send("POST", f"{self.url}/auth/token", known)["access_token"]

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._send(method, f"{self.url}/api/v2/{path}", body)

    def _send(self, method: str, url: str, body: dict[str, Any] | None) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def unpause(self, dag: str) -> None:
        """Let the scheduler run a DAG."""
        self._call("PATCH", f"dags/{dag}", {"is_paused": False})

    def trigger(self, dag: str, params: dict[str, Any]) -> str:
        """Start a run, like the form in the UI, and return its id."""
        return str(self._call("POST", f"dags/{dag}/dagRuns", {"logical_date": None, "conf": params})["dag_run_id"])

    def first_run(self, dag: str) -> str:
        """Wait for the first run of a DAG and return its id."""
        for _ in self._polls():
            if runs := self._call("GET", f"dags/{dag}/dagRuns?limit=1&order_by=run_after")["dag_runs"]:
                return str(runs[0]["dag_run_id"])
        raise Unexpected(f"no run of {dag}")

    def run_of(self, dag: str, hour: datetime, kind: str = "scheduled") -> str:
        """Wait for the run of an hour and return its id."""
        for _ in self._polls():
            for run in self._call("GET", f"dags/{dag}/dagRuns?limit=100")["dag_runs"]:
                if run["run_type"] == kind and datetime.fromisoformat(run["data_interval_start"]) == hour:
                    return str(run["dag_run_id"])
        raise Unexpected(f"no {kind} run of {dag} for {hour}")

    def finished(self, dag: str, run: str) -> str:
        """Wait for the end of a run and return its state."""
        for _ in self._polls():
            state = str(self._call("GET", f"dags/{dag}/dagRuns/{quote(run)}")["state"])
            if state in ("success", "failed"):
                return state
        raise Unexpected(f"run {run} of {dag} does not end")

    def tasks(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        """Every task instance of a run by task id."""
        found = self._call("GET", f"dags/{dag}/dagRuns/{quote(run)}/taskInstances?limit=100")
        return {task["task_id"]: task for task in found["task_instances"]}

    def command(self, dag: str, run: str) -> list[str]:
        """The `feed-etl` arguments of the first task of a run that starts."""
        for _ in self._polls():
            for task in self.tasks(dag, run).values():
                if task["start_date"] and (words := task["rendered_fields"].get("application_args")):
                    return [str(word) for word in words]
        raise Unexpected(f"no task of {run} of {dag} starts")

    def cancel_backfills(self, dag: str) -> None:
        """Cancel Airflow's own backfills of a DAG."""
        for found in self._call("GET", f"backfills?dag_id={dag}")["backfills"]:
            if not found["completed_at"]:
                self._call("PUT", f"backfills/{found['id']}/cancel")

    def clear(self, dag: str, run: str, tasks: list[str]) -> None:
        """Clear tasks of a run and everything downstream, so that they run again."""
        chosen = {"task_ids": tasks, "include_downstream": True, "only_failed": False}
        self._call("POST", f"dags/{dag}/clearTaskInstances", {"dag_run_id": run, "dry_run": False, **chosen})

    def _polls(self) -> Any:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            yield
            time.sleep(2)
