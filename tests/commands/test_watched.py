"""A failure of a disk or a store ends a command with one line and exit code 7, from Python and from Java."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException, PySparkValueError
from pyspark.sql import SparkSession

from etl.commands import watch
from etl.engine.spark import files
from etl.errors import LakeError


def command(error: Exception) -> Any:
    """A watched command that raises `error`."""

    def raises(context: object) -> None:
        raise error

    return watch.watched(raises)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Exit codes that the failure log receives."""
    codes: list[int] = []
    monkeypatch.setattr(watch, "_log_failure", lambda context, error, code: codes.append(code))
    return codes


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(5, "Input/output error"), "Input/output error"),
        (PySparkException("Job aborted.\nCaused by: java.io.IOException: No space left"), "No space left"),
        (PySparkException("org.apache.hadoop.fs.FileAlreadyExistsException: x"), "FileAlreadyExists"),
    ],
)
def test_a_disk_failure_is_one_line(error: Exception, cause: str, logged: list[int]) -> None:
    with pytest.raises(LakeError, match=cause) as raised:
        command(error)(context=SimpleNamespace())
    assert "\n" not in str(raised.value) and logged == [7]


def test_a_disk_failure_in_the_jvm_is_one_line(spark: SparkSession, logged: list[int]) -> None:
    fs, path = files.path_of(spark, "file:///no/such/file")
    with pytest.raises(Py4JJavaError) as raised:
        fs.getFileStatus(path)
    with pytest.raises(LakeError, match="FileNotFoundException"):
        command(raised.value)(context=SimpleNamespace())
    assert logged == [7]


def test_other_errors_are_not_changed(logged: list[int]) -> None:
    for error in (ValueError("odd"), PySparkValueError("java.lang.ArithmeticException"), BrokenPipeError()):
        with pytest.raises(type(error)):
            command(error)(context=SimpleNamespace())
    assert logged == [1, 1, 1]
