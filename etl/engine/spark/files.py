"""Lists, moves and deletes files of the landing zone and the lake through Hadoop's file system API.

It works with every URI that Spark can read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from pyspark.sql import SparkSession

from etl.engine.spark.jvm import jvm
from etl.errors import ConfigError, LakeError

_hadoop_confs: WeakKeyDictionary[SparkSession, Any] = WeakKeyDictionary()
"""Session -> its configuration. A run has a session for each table that it makes at the same time."""


@dataclass(frozen=True)
class LandedFile:
    """One file of a listing: its full URI, its size in bytes and its modification time in ms.

    is_outside: whether it is a link to a folder, or a link to a file outside the landing zone. No run reads it.
    within: its folder, relative to the folder that was listed; empty for a file directly in that folder.
    """

    uri: str
    size: int
    modified: int
    is_outside: bool = False
    within: str = ""

    @property
    def name(self) -> str:
        """The file name without folders."""
        return self.uri.rsplit("/", 1)[-1]

    @property
    def path(self) -> str:
        """The path relative to the folder that was listed. It is unique there; the name is not."""
        return f"{self.within}/{self.name}" if self.within else self.name

    @property
    def is_hidden(self) -> bool:
        """Whether the file or one of its folders is hidden: `.x`, `_x`, `_temporary/0/x`."""
        return is_hidden(self.path)


def is_hidden(path: str) -> bool:
    """Whether a path is hidden. A folder of a partition, `_date=2026-06-01`, is not, as in Spark."""
    *folders, name = path.split("/")
    return name[0] in "._" or any(f[0] == "." or (f[0] == "_" and "=" not in f) for f in folders)


def absolute(uri: str) -> str:
    """A URI with a scheme; a path without one is local. Does not escape anything: Hadoop's Path expects plain text."""
    return uri.rstrip("/") if ":/" in uri else f"file://{Path(uri).resolve()}"


def local_folder(uri: str) -> Path:
    """The path of a local URI. Raises ConfigError when the URI is not local."""
    folder = local_or_none(uri)
    if folder is None:
        raise ConfigError(
            f"{absolute(uri)} is not a local folder. Write to a local folder and copy the files from there."
        )
    return folder


def local_or_none(uri: str) -> Path | None:
    """The path of a local URI; None when the URI is not local."""
    full_uri = absolute(uri)
    is_local = full_uri.startswith("file:")
    return Path(full_uri.removeprefix("file:").replace("///", "/")) if is_local else None


def path_of(spark: SparkSession, uri: str) -> tuple[Any, Any]:
    """(Hadoop's FileSystem of a URI, the URI as a Hadoop Path)."""
    path = jvm(spark, "org.apache.hadoop.fs.Path")(uri)
    return path.getFileSystem(hadoop_conf(spark)), path


def hadoop_conf(spark: SparkSession) -> Any:
    """Hadoop's configuration of a session. Spark makes a new copy of a thousand options each time it is asked."""
    found = _hadoop_confs.get(spark)
    if found is None:
        found = _hadoop_confs[spark] = spark._jsparkSession.sessionState().newHadoopConf()
    return found


def glob_escape(uri: str) -> str:
    """A path with its glob characters escaped: a file can be named `*.jsonl`, which Spark reads as a pattern."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", uri)


def escaped_path(spark: SparkSession, uri: str) -> str:
    """The path of a URI without scheme and host, URL-encoded like the column `_metadata.file_path`."""
    return str(path_of(spark, uri)[1].toUri().getRawPath())


def exists(spark: SparkSession, uri: str) -> bool:
    """Whether a file or folder exists at the URI."""
    fs, path = path_of(spark, uri)
    return bool(fs.exists(path))


def is_folder(spark: SparkSession, uri: str) -> bool:
    """Whether a folder exists at the URI."""
    fs, path = path_of(spark, uri)
    return bool(fs.exists(path) and fs.getFileStatus(path).isDirectory())


def status(spark: SparkSession, uri: str) -> LandedFile | None:
    """The current size and modification time of a file; None when it does not exist."""
    fs, path = path_of(spark, uri)
    if not fs.exists(path):
        return None
    current = fs.getFileStatus(path)
    return LandedFile(uri, current.getLen(), current.getModificationTime())


def list_files(spark: SparkSession, folder: str, hidden: bool = False) -> list[LandedFile]:
    """Files directly in a folder, sorted by name: the visible ones, or the `hidden` ones (`.x`, `_x`).

    Empty when the folder does not exist.
    """
    fs, path = path_of(spark, folder)
    if not fs.exists(path):
        return []
    listed = [
        LandedFile(status.getPath().toString(), status.getLen(), status.getModificationTime())
        for status in fs.listStatus(path)
        if status.isFile()
    ]
    return sorted((f for f in listed if f.is_hidden == hidden), key=lambda f: f.uri)


def list_below(spark: SparkSession, folder: str, within: str = "") -> list[LandedFile]:
    """Every file below a folder at any depth, with hidden files, sorted by path. Empty without the folder.

    Does not follow a link to a folder, because links may form a circle. Lists it as one file with `is_outside`.
    """
    fs, path = path_of(spark, f"{folder}/{within}" if within else folder)
    if not fs.exists(path):
        return []
    listed = []
    for status in fs.listStatus(path):
        uri, modified = status.getPath().toString(), status.getModificationTime()
        name = uri.rsplit("/", 1)[-1]
        if status.isFile():
            listed.append(LandedFile(uri, status.getLen(), modified, within=within))
        elif uri.startswith("file:") and local_folder(uri).is_symlink():
            listed.append(LandedFile(uri, 0, modified, is_outside=True, within=within))
        else:
            listed += list_below(spark, folder, f"{within}/{name}" if within else name)
    return sorted(listed, key=lambda f: f.path)


def list_folders(spark: SparkSession, folder: str) -> list[LandedFile]:
    """Folders directly in a folder, sorted by name. Empty when the folder does not exist."""
    fs, path = path_of(spark, folder)
    if not fs.exists(path):
        return []
    listed = [status for status in fs.listStatus(path) if status.isDirectory()]
    return sorted((LandedFile(s.getPath().toString(), 0, s.getModificationTime()) for s in listed), key=lambda f: f.uri)


def walk(spark: SparkSession, folder: str) -> list[LandedFile]:
    """Every file below a folder, with hidden files, in no particular order. Empty when the folder does not exist."""
    if folder.startswith("file:"):
        return list(_walk_local(local_folder(folder)))
    fs, path = path_of(spark, folder)
    if not fs.exists(path):
        return []
    iterator, listed = fs.listFiles(path, True), []
    while iterator.hasNext():
        status = iterator.next()
        listed.append(LandedFile(status.getPath().toString(), status.getLen(), status.getModificationTime()))
    return listed


def _walk_local(folder: Path) -> Iterator[LandedFile]:
    """`walk` for a local folder. Hadoop would start a process for each file to find its owner.

    Leaves out Hadoop's checksum files (`.x.crc`): Hadoop does not list them and deletes them with their file.
    """
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and name.endswith(".crc"):
                continue
            with suppress(FileNotFoundError):  # deleted in the meantime
                stat = Path(parent, name).stat()
                yield LandedFile(f"file:{parent}/{name}", stat.st_size, stat.st_mtime_ns // 1_000_000)


def relative_path(folder: str, file: str) -> str:
    """The path of a file relative to a folder. Both are URIs; `file:/x` and `file:///x` are the same."""
    root = folder.split(":", 1)[1].lstrip("/")
    return file.split(":", 1)[1].lstrip("/").removeprefix(root).lstrip("/")


def delete(spark: SparkSession, uri: str) -> None:
    """Delete a file or folder. Nothing happens when it does not exist. Raises LakeError when it cannot be deleted."""
    fs, path = path_of(spark, uri)
    if not fs.delete(path, True) and fs.exists(path):
        raise LakeError(f"{uri} cannot be deleted. Check its permissions and whether its disk is writable.")


def delete_if_empty(spark: SparkSession, folder: str) -> None:
    """Delete a folder if it is empty."""
    fs, path = path_of(spark, folder)
    if not list(fs.listStatus(path)):
        fs.delete(path, False)


def replace(spark: SparkSession, uri: str, *, by: str) -> None:
    """Replace the file at `uri` by the file `by`. The move is atomic on local file systems and HDFS, not on S3.

    Also deletes the checksum file that Hadoop keeps for a local file: it would not match the new file.
    """
    gateway = spark.sparkContext._gateway
    assert gateway
    rename, path = jvm(spark, "org.apache.hadoop.fs.Options$Rename"), jvm(spark, "org.apache.hadoop.fs.Path")
    options = gateway.new_array(rename, 1)
    options[0] = rename.OVERWRITE
    target, source = path(uri), path(by)
    context = jvm(spark, "org.apache.hadoop.fs.FileContext").getFileContext(target.toUri(), hadoop_conf(spark))
    context.rename(source, target, options)
    folder, name = uri.rsplit("/", 1)
    delete(spark, f"{folder}/.{name}.crc")


def move(spark: SparkSession, uri: str, to: str) -> None:
    """Rename a folder. Raises LakeError when the target exists or the store cannot rename it."""
    fs, path = path_of(spark, uri)
    if fs.exists(path_of(spark, to)[1]) or not fs.rename(path, path_of(spark, to)[1]):
        raise LakeError(f"{uri} cannot be moved to {to}. Check both folders, then run the command again.")


def compress(spark: SparkSession, uri: str, to: str) -> None:
    """Copy a file to `to`, compressed with Zstandard as one frame."""
    fs, source = path_of(spark, uri)
    target = jvm(spark, "com.github.luben.zstd.ZstdOutputStream")(fs.create(path_of(spark, to)[1]))
    jvm(spark, "org.apache.hadoop.io.IOUtils").copyBytes(fs.open(source), target, 65536, True)
