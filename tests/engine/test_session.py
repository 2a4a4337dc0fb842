"""What a JVM of Spark is started with."""

from __future__ import annotations

import pytest

from etl.engine import session


@pytest.mark.parametrize(("works", "given", "collectors"), [
    (True, "", ["-XX:+UseParallelGC"]),
    (True, "-Xss4m -XX:+UseZGC", ["-XX:+UseZGC"]),
    (False, "", []),
])  # fmt: skip
def test_one_collector(works: bool, given: str, collectors: list[str]) -> None:
    options = session.java_options(given, works)
    assert session.COLLECTOR.findall(options) == collectors
    assert given in options
