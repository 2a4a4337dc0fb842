"""The options that the JVM and the Spark session start with."""

from __future__ import annotations

import pytest

from etl import conf
from etl.engine.spark import session


@pytest.mark.parametrize(("runs_tasks", "user_options", "collectors"), [
    (True, "", ["-XX:+UseParallelGC"]),
    (True, "-Xss4m -XX:+UseZGC", ["-XX:+UseZGC"]),
    (False, "", []),
])  # fmt: skip
def test_the_jvm_gets_one_garbage_collector(runs_tasks: bool, user_options: str, collectors: list[str]) -> None:
    options = session.java_options(user_options, runs_tasks)
    assert session.GARBAGE_COLLECTOR.findall(options) == collectors
    assert user_options in options


@pytest.mark.parametrize(("master", "memory", "hashed"), [
    ("local[2]", "4g", True),
    ("local[2,4]", "4g", True),
    ("local[2]", "1024m", False),
    ("local[16]", "4g", False),
    ("local", "2g", True),
    ("local-cluster[2,1,1024]", "4g", False),
    ("yarn", "64g", False),
])  # fmt: skip
def test_joins_use_hashes_when_there_is_enough_memory(master: str, memory: str, hashed: bool) -> None:
    settings = conf.load("local", master=master, driver_memory=memory)
    assert bool(session.hash_join_options(settings)) == hashed
