"""What lost against another run is read again, computed again and tried again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from tenacity import AttemptManager, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from etl.errors import ConflictError

ATTEMPTS = 6  # Delta itself does not retry logical conflicts
DROPPED = re.compile(r"Block rdd_\d+_\d+ does not exist")


def attempts() -> Iterator[AttemptManager]:
    """`for attempt in attempts(): with attempt, conflicts(): ...`; the last ConflictError is raised."""
    return iter(
        Retrying(
            retry=retry_if_exception_type(ConflictError),
            wait=wait_random_exponential(multiplier=0.5, max=20),
            stop=stop_after_attempt(ATTEMPTS),
            reraise=True,
        )
    )


@contextmanager
def conflicts() -> Iterator[None]:
    """A ConflictError for a task that was reading a version's list of files when a newer version came.

    Delta drops the list it keeps of the older one, and Spark, where it does not try a task again (on one machine),
    fails the job.
    """
    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        if not DROPPED.search(str(error)):
            raise
        raise ConflictError("Another run changed a table while it was read; run again.") from error
