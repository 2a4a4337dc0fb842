"""What a JVM of Spark is started with."""

from __future__ import annotations

import pytest

from etl import conf
from etl.engine import session


@pytest.mark.parametrize(("master", "given", "collectors"), [
    ("local[2]", "", ["-XX:+UseParallelGC"]),
    ("local[2]", "-Xss4m -XX:+UseZGC", ["-XX:+UseZGC"]),
    ("yarn", "", []),
])  # fmt: skip
def test_one_collector(master: str, given: str, collectors: list[str]) -> None:
    settings = conf.load("local", master=master)
    settings = settings.model_copy(update={"spark": {"spark.driver.extraJavaOptions": given}})
    assert session.COLLECTOR.findall(session._java_options(settings)) == collectors
