"""Small text files beside tables and landed files: read whole, created once, replaced in one step."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pyspark.sql import SparkSession

from etl.engine.spark import files
from etl.engine.spark.jvm import jvm


def read(spark: SparkSession, uri: str) -> str | None:
    """The text of a file; None when it is not there."""
    if uri.startswith("file:"):
        here = files.local_folder(uri)
        return here.read_text(encoding="utf-8", errors="replace") if here.is_file() else None
    fs, path = files.path_of(spark, uri)
    if not fs.exists(path):
        return None
    stream = fs.open(path)
    try:
        return str(jvm(spark, "org.apache.commons.io.IOUtils").toString(stream, "UTF-8"))
    finally:
        stream.close()


def create(spark: SparkSession, uri: str, text: str) -> bool:
    """Write a file unless it is there; returns whether it was this call. Of several at once one does.

    On a local disk nobody sees half a file. An object store decides by what it lists.
    """
    if not uri.startswith("file:"):
        fs, path = files.path_of(spark, uri)
        if fs.exists(path):
            return False
        _write(spark, uri, text, overwrite=False)
        return True
    here = files.local_folder(uri)
    here.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(here, text)
    try:
        os.link(beside, here)
    except FileExistsError:
        return False
    finally:
        beside.unlink()
    return True


def replace(spark: SparkSession, uri: str, text: str) -> None:
    """Write a file, whatever was there."""
    if not uri.startswith("file:"):
        return _write(spark, uri, text, overwrite=True)
    here = files.local_folder(uri)
    os.replace(_beside(here, text), here)


def _beside(here: Path, text: str) -> Path:
    """The text in a hidden file of the same folder."""
    beside = here.with_name(f".{here.name}.{secrets.token_hex(4)}")
    try:
        beside.write_text(text, encoding="utf-8")
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    return beside


def _write(spark: SparkSession, uri: str, text: str, overwrite: bool) -> None:
    fs, path = files.path_of(spark, uri)
    stream = fs.create(path, overwrite)
    try:
        stream.write(bytearray(text.encode()))
    finally:
        stream.close()
