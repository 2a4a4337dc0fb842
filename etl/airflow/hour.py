"""One Spark application for an hour, and a task for each of its tables that watches it.

The task of the producer runs all tables of a DAG and publishes the outcome of each as an XCom. The task of a table
takes that outcome. It runs its table alone when it is retried or cleared, or when the producer ended without an outcome
for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.triggers.base import StartTriggerArgs

from etl.airflow.operators import FINAL, FeedEtlOperator, is_last_try
from etl.airflow.watching import OUTCOMES, RAN_ALONE, TRIGGER, Decision, published
from etl.model.outcome import Outcome

if TYPE_CHECKING:
    from airflow.sdk import Context


CLUSTER = (
    "In deploy mode cluster, one application per hour is not possible. Set application_per: table in the section "
    "airflow of conf/. The tables run alone now."
)


class HourOperator(FeedEtlOperator):
    """The producer: runs all tables of an hour in one Spark application, and publishes their outcomes as an XCom.

    A failed table fails its own task only. This task fails when the application itself fails. It sends no mail: each
    table then runs alone, and its task sends the mail if it fails again.
    """

    _outcomes: list[Outcome]

    def execute(self, context: Context) -> None:
        """Run the application and publish each outcome as soon as it is printed."""
        hook: Any = super()._get_hook()
        if hook._connection["deploy_mode"] == "cluster":  # the output of the driver does not come here
            raise AirflowFailException(CLUSTER)
        self._task_instance, self._outcomes = context["task_instance"], []
        self._publish()
        self.application_args = [*self.application_args, "--outcomes", self._try_id]
        super().execute(context)

    def failure(self, context: Context, text: str, code: int | None) -> AirflowException:
        """The exception of a failed application: no mail, whatever the exit code."""
        if code in FINAL or is_last_try(context):
            return AirflowFailException(f"{text} The tables without an outcome run alone now.")
        return AirflowException(f"{text} The application is tried once more.")

    @property
    def _try_id(self) -> str:
        """Id of this try. It begins the lines of outcomes: no text of a landed file can contain it."""
        return str(self._task_instance.id)

    def _get_hook(self) -> Any:
        hook: Any = super()._get_hook()
        read = hook._process_spark_submit_log
        hook._process_spark_submit_log = lambda lines: read(self._read(lines))
        return hook

    def _read(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines of the application. Each outcome among them is published, and replaced by its text."""
        for line in lines:
            if outcome := self._outcome(line):
                self._outcomes.append(outcome)
                self._publish()
            yield str(outcome) if outcome else line

    def _outcome(self, line: str) -> Outcome | None:
        try:
            return Outcome.from_line(self._try_id, line)
        except (TypeError, ValueError) as error:
            self.log.error("an outcome could not be read: %s", error)
            return None

    def _publish(self) -> None:
        """Publish the outcomes so far. A table without a published outcome runs alone at the end: nothing is lost."""
        try:
            self._task_instance.xcom_push(key=OUTCOMES, value=published(self._try_id, self._outcomes))
        except Exception as error:
            self.log.error("the outcomes could not be published: %s", error)


class TableOperator(FeedEtlOperator):
    """The task of one table: takes the table's outcome from the producer, or runs the table alone.

    While it watches, it is deferred to the triggerer from the start, and needs no worker and no slot of a pool.
    """

    start_from_trigger = True

    def __init__(self, *, inputs: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        watched = {"table": self.task_id, "inputs": inputs}
        self.start_trigger_args = StartTriggerArgs(TRIGGER, next_method="resume", trigger_kwargs=watched)

    def execute(self, context: Context) -> None:
        """Begin to watch. The scheduler does this itself; only `airflow tasks test` comes here."""
        from etl.airflow.triggers import OutcomeTrigger

        self.defer(trigger=OutcomeTrigger(**self.start_trigger_args.trigger_kwargs), method_name="resume")

    def resume(self, context: Context, event: dict[str, Any]) -> None:
        """Do what the trigger decided: end like the table in the application, or run its own application."""
        decision = Decision(event["decision"])
        context["task_instance"].xcom_push(key=RAN_ALONE, value=decision is Decision.RUN_ALONE)
        if decision is Decision.RUN_ALONE:
            self.log.info("%s runs alone, in a Spark application of its own.", self.task_id)
            return super().execute(context)
        outcome = Outcome(**event["outcome"])
        if decision is Decision.FAIL:
            raise self.failure(context, str(outcome), outcome.exit_code)
        self.log.info("%s", outcome)
        self.add_landed_hour(context)
        return None
