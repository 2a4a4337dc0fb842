"""Retries for work that lost a commit conflict with another run: read, compute and commit again."""

from __future__ import annotations

from collections.abc import Iterator

from tenacity import AttemptManager, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from etl.errors import ConflictError

MAX_ATTEMPTS = 6  # Delta itself does not retry logical conflicts


def attempts() -> Iterator[AttemptManager]:
    """Up to six attempts, with a random and growing wait in between. Raises the last ConflictError.

    Use: `for attempt in attempts(): with attempt, delta.translate_conflicts(table): ...`
    """
    return iter(
        Retrying(
            retry=retry_if_exception_type(ConflictError),
            wait=wait_random_exponential(multiplier=0.5, max=20),
            stop=stop_after_attempt(MAX_ATTEMPTS),
            reraise=True,
        )
    )
