"""Spans: a run, a table of it, and the phases of a table. They cost nothing unless OpenTelemetry is switched on.

Spark is lazy. `read` and `transform` list files and build a plan; the job of `stage` reads, computes and writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from etl.errors import lasting
from etl.telemetry import fields

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

PREFIX = "feed_etl."
_tracer: Tracer | None = None


def use(tracer: Tracer | None) -> None:
    """Send the spans that begin from now on to a tracer; None switches them off."""
    global _tracer
    _tracer = tracer


@contextmanager
def span(name: str, **attributes: Any) -> Iterator[None]:
    """A span around a block or, as a decorator, around a function. It has the fields of this thread as attributes.

    An error is recorded by its class and its own text, without values of records (`errors.lasting`).
    """
    if _tracer is None:
        yield
        return
    known = {**fields.current(), **attributes}
    with _tracer.start_as_current_span(
        name,
        attributes={PREFIX + key: value for key, value in known.items() if value is not None},
        record_exception=False,
        set_status_on_exception=False,
    ) as started:
        try:
            yield
        except BaseException as error:
            _note_error(started, error)
            raise


def note(**attributes: Any) -> None:
    """Add attributes to the current span."""
    if _tracer is not None:
        from opentelemetry.trace import get_current_span

        get_current_span().set_attributes({PREFIX + key: value for key, value in attributes.items()})


def _note_error(span: Span, error: BaseException) -> None:
    from opentelemetry.trace import StatusCode

    span.set_status(StatusCode.ERROR, lasting(error))
    span.set_attribute("error.type", type(error).__name__)
