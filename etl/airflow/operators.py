"""`feed-etl` as a task: spark-submit, and what its exit code means to the scheduler."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from etl.airflow import alerts
from etl.errors import ConfigError, ContractViolation, GateFailed

if TYPE_CHECKING:
    from airflow.sdk import Context

PROPERTIES = "FEED_ETL_SPARK_PROPERTIES"
"""In the environment: a file of Spark's settings in place of the one in Spark's configuration folder."""
APPLICATION = Path(__file__).with_name("application.py")
FINAL = {error.exit_code: error.__name__ for error in (ConfigError, GateFailed, ContractViolation)}
"""Exit codes that trying again cannot change. All others (landing, lake, conflict, a lost machine) are retried."""


class FeedEtlOperator(SparkSubmitOperator):
    """Runs one command of `feed-etl`; fails at once, without a retry, where another try would say the same.

    When it is given up, owners and on-call get mail before it ends; `alerts.task_failed` is for what cannot do that.
    """

    def __init__(self, *, command: list[str], **kwargs: Any) -> None:
        super().__init__(
            application=str(APPLICATION),
            application_args=command,
            name="{{ task.task_id }}",
            properties_file=os.environ.get(PROPERTIES),
            **kwargs,
        )

    def execute(self, context: Context) -> None:
        try:
            super().execute(context)
        except AirflowException as error:
            code = self.exit_code
            failure: AirflowException = error
            if code in FINAL:
                failure = AirflowFailException(f"feed-etl ended with exit code {code} ({FINAL[code]}).")
            if code in FINAL or _is_last_try(context):
                failure.is_reported = alerts.report(self.application_args or [], code)
            raise failure from error
        self._add_landed_hour(context)

    @property
    def exit_code(self) -> int | None:
        """How spark-submit ended; in client mode that is how `feed-etl` ended. None when it never ran."""
        process = getattr(self._hook, "_submit_sp", None)
        return process.returncode if process else None

    def _add_landed_hour(self, context: Context) -> None:
        """An asset event says which landed hour it is about."""
        start = context.get("data_interval_start")
        for asset in self.outlets if start else []:
            context["outlet_events"][asset].extra = {"landed_hour": start.isoformat()}


def _is_last_try(context: Context) -> bool:
    task = context["task_instance"]
    return task.try_number > task.max_tries


class BackfillOperator(FeedEtlOperator):
    """A command of `feed-etl backfill`, made from the parameters of the DAG run."""

    def __init__(self, *, words: Callable[[dict[str, Any]], list[str]], skip_dry: bool = False, **kwargs: Any) -> None:
        super().__init__(command=[], **kwargs)
        self.words, self.skip_dry = words, skip_dry

    def execute(self, context: Context) -> None:
        params = dict(context["params"])
        if self.skip_dry and params["dry_run"]:
            raise AirflowSkipException("A dry run: the plan is in the log of the task before.")
        try:
            self.application_args = self.words(params)
        except ConfigError as error:
            raise AirflowFailException(str(error)) from error
        super().execute(context)
