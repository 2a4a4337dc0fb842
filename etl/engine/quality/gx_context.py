"""The context of Great Expectations for the gate and for Data Docs."""

from __future__ import annotations

from typing import Any

import great_expectations as gx
from great_expectations.data_context.types.base import ProgressBarsConfig


def in_memory() -> Any:
    """A Great Expectations context in memory, without usage statistics and progress bars."""
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context
