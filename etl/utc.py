"""The process's time zone is UTC, so that every instant Python reads or prints is.

PySpark collects a timestamp as a naive datetime in the time zone of the process. In any other zone than UTC the two
hours of a clock change would be one, and text made of such a value would name the wrong instant.
"""

from __future__ import annotations

import os
import time


def use_utc() -> None:
    """Set the zone of this process, and of the JVM and the Python workers it starts from now on, to UTC."""
    if os.environ.get("TZ") != "UTC":
        os.environ["TZ"] = "UTC"
        time.tzset()
