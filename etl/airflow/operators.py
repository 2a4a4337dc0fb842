"""Operators that run `feed-etl` with spark-submit and decide by its exit code whether Airflow retries."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from etl.airflow import alerts
from etl.airflow.assets import landed_hour
from etl.errors import ConfigError, ContractViolation, GateFailed

if TYPE_CHECKING:
    from airflow.sdk import Context

PROPERTIES = "FEED_ETL_SPARK_PROPERTIES"
"""Environment variable: a Spark properties file that replaces the one in Spark's configuration folder."""
APPLICATION = Path(__file__).with_name("application.py")
FINAL = {error.exit_code: error.__name__ for error in (ConfigError, GateFailed, ContractViolation)}
"""Exit codes that a retry cannot change. All others (landing, lake, conflict, a lost machine) are retried."""


class FeedEtlOperator(SparkSubmitOperator):
    """Runs one `feed-etl` command. Fails without a retry when a retry would fail in the same way.

    Before the task fails for good, it mails owners and on-call. `alerts.task_failed` covers tasks that cannot do so.
    """

    application_args: list[str]
    env_vars: dict[str, Any] | None

    def __init__(self, *, command: list[str], **kwargs: Any) -> None:
        super().__init__(
            application=str(APPLICATION),
            application_args=command,
            name="{{ task.task_id }}",
            properties_file=os.environ.get(PROPERTIES),
            **kwargs,
        )

    def execute(self, context: Context) -> None:
        """Run the application, and translate its exit code: fail at once, skip, or let Airflow try again."""
        self.env_vars = {**(self.env_vars or {}), **_trace_context()}
        try:
            super().execute(context)
        except AirflowException as error:
            raise self.failure(context, str(error), self.exit_code) from error
        self.add_landed_hour(context)

    def failure(self, context: Context, text: str, code: int | None) -> AirflowException:
        """The exception of a failed command. When the task will not be retried, first mail owners and on-call."""
        failure: AirflowException = AirflowException(text)
        if code in FINAL:
            failure = AirflowFailException(f"feed-etl ended with exit code {code} ({FINAL[code]}): {text}")
        if code in FINAL or is_last_try(context):
            failure.is_reported = alerts.report(self.application_args, code)
        return failure

    @property
    def exit_code(self) -> int | None:
        """Exit code of spark-submit, which in client mode is that of `feed-etl`. None when it never started."""
        process = getattr(self._hook, "_submit_sp", None)
        return process.returncode if process else None

    def add_landed_hour(self, context: Context) -> None:
        """Add the landed hour to the asset events of this task."""
        for asset in self.outlets:
            context["outlet_events"][asset].extra = landed_hour(context.get("data_interval_start"))


def _trace_context() -> dict[str, str]:
    """Variables with which the command continues the trace of its task; none when Airflow records no traces."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return {name.upper(): value for name, value in carrier.items()}


def is_last_try(context: Context) -> bool:
    """Whether Airflow will not try the task again."""
    task = context["task_instance"]
    return task.try_number > task.max_tries


class BackfillOperator(FeedEtlOperator):
    """Runs a `feed-etl backfill` command that is built from the parameters of the DAG run."""

    def __init__(self, *, words: Callable[[dict[str, Any]], list[str]], skip_dry: bool = False, **kwargs: Any) -> None:
        super().__init__(command=[], **kwargs)
        self.words, self.skip_dry = words, skip_dry

    def execute(self, context: Context) -> None:
        """Run the task with the arguments that the form of the DAG run gives."""
        params = dict(context["params"])
        if self.skip_dry and params["dry_run"]:
            raise AirflowSkipException("Dry run: the plan is in the log of the task `plan`.")
        try:
            self.application_args = self.words(params)
        except ConfigError as error:
            raise AirflowFailException(str(error)) from error
        super().execute(context)
