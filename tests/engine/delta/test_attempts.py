"""Work that lost a commit conflict with another run is retried; other errors are not."""

from __future__ import annotations

import pytest
from pyspark.errors import PySparkException

from etl.engine.delta import tables as delta
from etl.engine.delta.attempts import attempts
from etl.errors import ConflictError


def count_attempts(error: Exception, times: int) -> int:
    """Number of attempts when the first `times` attempts raise the error."""
    count = 0
    for attempt in attempts():
        with attempt, delta.translate_conflicts("a table"):
            count += 1
            if count <= times:
                raise error
    return count


@pytest.mark.parametrize(
    "error",
    [ConflictError("another run"), PySparkException("Task 1 failed: SparkException: Block rdd_738_1 does not exist")],
)
def test_a_job_that_conflicts_with_another_run_is_retried(error: Exception) -> None:
    assert count_attempts(error, 1) == 2


def test_an_error_other_than_a_conflict_is_raised_at_once() -> None:
    with pytest.raises(PySparkException, match="no such column"):
        count_attempts(PySparkException("no such column"), 1)
