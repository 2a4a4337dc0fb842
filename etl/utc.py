"""Sets the time zone of the process to UTC, so that Python reads and prints every instant in UTC.

PySpark collects a timestamp as a naive datetime in the time zone of the process. In a zone with daylight saving time,
the two hours of a clock change become one hour, and text made from such a value names the wrong instant.
"""

from __future__ import annotations

import os
import time


def use_utc() -> None:
    """Set the time zone to UTC for this process, and for the JVM and the Python workers that it starts later."""
    if os.environ.get("TZ") != "UTC":
        os.environ["TZ"] = "UTC"
        time.tzset()
