"""What lost against another run is read again, computed again and tried again."""

from __future__ import annotations

from collections.abc import Iterator

from tenacity import AttemptManager, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from etl.errors import ConflictError

ATTEMPTS = 6  # Delta itself does not retry logical conflicts


def attempts() -> Iterator[AttemptManager]:
    """`for attempt in attempts(): with attempt, delta.translate_conflicts(…): ...`; the last ConflictError is raised."""
    return iter(
        Retrying(
            retry=retry_if_exception_type(ConflictError),
            wait=wait_random_exponential(multiplier=0.5, max=20),
            stop=stop_after_attempt(ATTEMPTS),
            reraise=True,
        )
    )
