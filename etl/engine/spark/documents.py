"""Reads, creates and replaces small text files in the lake and the landing zone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pyspark.sql import SparkSession

from etl.engine.spark import files
from etl.engine.spark.jvm import jvm


def read(spark: SparkSession, uri: str) -> str | None:
    """The text of a file; None when it does not exist."""
    if uri.startswith("file:"):
        local = files.local_folder(uri)
        return local.read_text(encoding="utf-8", errors="replace") if local.is_file() else None
    fs, path = files.path_of(spark, uri)
    if not fs.exists(path):
        return None
    stream = fs.open(path)
    try:
        return str(jvm(spark, "org.apache.commons.io.IOUtils").toString(stream, "UTF-8"))
    finally:
        stream.close()


def create(spark: SparkSession, uri: str, text: str) -> bool:
    """Write a file unless it exists; returns whether this call wrote it.

    On a local disk exactly one of several concurrent calls writes the file, and readers never see half of it. An object
    store does not guarantee this: the call only checks first whether the file exists.
    """
    if not uri.startswith("file:"):
        fs, path = files.path_of(spark, uri)
        if fs.exists(path):
            return False
        _write(spark, uri, text, overwrite=False)
        return True
    local = files.local_folder(uri)
    local.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(local, text)
    try:
        os.link(temporary, local)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def replace(spark: SparkSession, uri: str, text: str) -> None:
    """Write a file, or overwrite it. On a local disk readers see the old or the new text, never a mixture."""
    if not uri.startswith("file:"):
        return _write(spark, uri, text, overwrite=True)
    local = files.local_folder(uri)
    os.replace(_temporary(local, text), local)


def _temporary(target: Path, text: str) -> Path:
    """Write the text to a hidden file in the folder of the target; returns its path."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_text(text, encoding="utf-8")
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _write(spark: SparkSession, uri: str, text: str, overwrite: bool) -> None:
    fs, path = files.path_of(spark, uri)
    stream = fs.create(path, overwrite)
    try:
        stream.write(bytearray(text.encode()))
    finally:
        stream.close()
