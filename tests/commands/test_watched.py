"""A disk or a store that fails ends a command with one line and exit code 7, wherever the failure came from."""

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
    """A watched command that raises."""

    def raises(context: object) -> None:
        raise error

    return watch.watched(raises)


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Exit codes that the failure log was given."""
    codes: list[int] = []
    monkeypatch.setattr(watch, "_note", lambda context, error, code: codes.append(code))
    return codes


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(5, "Input/output error"), "Input/output error"),
        (PySparkException("Job aborted.\nCaused by: java.io.IOException: No space left"), "No space left"),
        (PySparkException("org.apache.hadoop.fs.FileAlreadyExistsException: x"), "FileAlreadyExists"),
    ],
)
def test_a_failing_disk_is_one_line(error: Exception, said: str, noted: list[int]) -> None:
    with pytest.raises(LakeError, match=said) as raised:
        command(error)(context=SimpleNamespace())
    assert "\n" not in str(raised.value) and noted == [7]


def test_so_is_one_that_the_jvm_tells_of(spark: SparkSession, noted: list[int]) -> None:
    fs, path = files.path_of(spark, "file:///no/such/file")
    with pytest.raises(Py4JJavaError) as raised:
        fs.getFileStatus(path)
    with pytest.raises(LakeError, match="FileNotFoundException"):
        command(raised.value)(context=SimpleNamespace())
    assert noted == [7]


def test_what_is_no_failure_of_files_stays_what_it_is(noted: list[int]) -> None:
    for error in (ValueError("odd"), PySparkValueError("java.lang.ArithmeticException"), BrokenPipeError()):
        with pytest.raises(type(error)):
            command(error)(context=SimpleNamespace())
    assert noted == [1, 1, 1]
