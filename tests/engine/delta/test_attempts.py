"""What lost against another run is tried again, and nothing else is."""

from __future__ import annotations

import pytest
from pyspark.errors import PySparkException

from etl.engine.delta import tables as delta
from etl.engine.delta.attempts import attempts
from etl.errors import ConflictError


def tried(error: Exception, times: int) -> int:
    """How often something was tried that fails so often."""
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
def test_a_job_that_another_run_got_in_the_way_of_is_tried_again(error: Exception) -> None:
    assert tried(error, 1) == 2


def test_an_error_that_would_come_again_is_raised_at_once() -> None:
    with pytest.raises(PySparkException, match="no such column"):
        tried(PySparkException("no such column"), 1)
