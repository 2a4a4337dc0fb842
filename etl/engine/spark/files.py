"""Files of the landing zone and the lake, through Hadoop's file system API: any URI Spark can read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from etl.engine.spark.jvm import jvm
from etl.errors import ConfigError, LakeError


@dataclass(frozen=True)
class LandedFile:
    """One file as listed: its full URI, size in bytes and modification time in ms; whether a link leads elsewhere.

    `within` is the folder it lies in, below the folder that was listed; empty for a file directly in that.
    """

    uri: str
    size: int
    modified: int
    is_outside: bool = False
    within: str = ""

    @property
    def name(self) -> str:
        return self.uri.rsplit("/", 1)[-1]

    @property
    def path(self) -> str:
        """The path below the folder that was listed. Unlike the name it is unique there."""
        return f"{self.within}/{self.name}" if self.within else self.name

    @property
    def is_hidden(self) -> bool:
        """Whether the file, or a folder it lies in, is hidden: `.x`, `_x`, `_temporary/0/x`."""
        return any(part[0] in "._" for part in self.path.split("/"))


def absolute(uri: str) -> str:
    """A URI with a scheme; a bare path is a local one. Nothing is escaped: Hadoop takes what it is given as it is."""
    return uri.rstrip("/") if ":/" in uri else f"file://{Path(uri).resolve()}"


def local_folder(uri: str) -> Path:
    """The folder of a local URI. Raises ConfigError when it is elsewhere."""
    whole = absolute(uri)
    if not whole.startswith("file:"):
        raise ConfigError(f"This writes local files only; {whole} is not local. Write to a folder and copy it there.")
    return Path(whole.removeprefix("file:").replace("///", "/"))


def path_of(spark: SparkSession, uri: str) -> tuple[Any, Any]:
    """Hadoop's file system of a URI, and the URI as its path."""
    path = jvm(spark, "org.apache.hadoop.fs.Path")(uri)
    return path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()), path


def glob_escape(uri: str) -> str:
    """The path that reads this file and no other: `*.jsonl` may be a file's own name, and means many to Spark."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", uri)


def escaped_path(spark: SparkSession, uri: str) -> str:
    """The path of a URI, without scheme and host, escaped as `_metadata.file_path` has it."""
    return str(path_of(spark, uri)[1].toUri().getRawPath())


def exists(spark: SparkSession, uri: str) -> bool:
    """Whether anything is at the URI."""
    fs, path = path_of(spark, uri)
    return bool(fs.exists(path))


def status(spark: SparkSession, uri: str) -> LandedFile | None:
    """A file as it is now; None when it is not there."""
    fs, path = path_of(spark, uri)
    if not fs.exists(path):
        return None
    found = fs.getFileStatus(path)
    return LandedFile(uri, found.getLen(), found.getModificationTime())


def list_files(spark: SparkSession, folder: str, hidden: bool = False) -> list[LandedFile]:
    """Files directly in a folder, by name: those to be seen, or the `hidden` ones (`.x`, `_x`); none without it."""
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
    """Every file below a folder at any depth, hidden ones too, by path; none when the folder is not there.

    A folder that is a link is not followed, since links may form a circle. It is listed as one file that is outside.
    """
    fs, path = path_of(spark, f"{folder}/{within}" if within else folder)
    if not fs.exists(path):
        return []
    found = []
    for status in fs.listStatus(path):
        uri, modified = status.getPath().toString(), status.getModificationTime()
        name = uri.rsplit("/", 1)[-1]
        if status.isFile():
            found.append(LandedFile(uri, status.getLen(), modified, within=within))
        elif uri.startswith("file:") and local_folder(uri).is_symlink():
            found.append(LandedFile(uri, 0, modified, is_outside=True, within=within))
        else:
            found += list_below(spark, folder, f"{within}/{name}" if within else name)
    return sorted(found, key=lambda f: f.path)


def list_folders(spark: SparkSession, folder: str) -> list[LandedFile]:
    """Folders directly in a folder, by name; none when it is not there."""
    fs, path = path_of(spark, folder)
    if not fs.exists(path):
        return []
    listed = [status for status in fs.listStatus(path) if status.isDirectory()]
    return sorted((LandedFile(s.getPath().toString(), 0, s.getModificationTime()) for s in listed), key=lambda f: f.uri)


def walk(spark: SparkSession, folder: str) -> list[LandedFile]:
    """Every file below a folder, hidden ones too; none when it is not there."""
    if folder.startswith("file:"):
        return list(_walk_here(local_folder(folder)))
    fs, path = path_of(spark, folder)
    if not fs.exists(path):
        return []
    found, listed = fs.listFiles(path, True), []
    while found.hasNext():
        status = found.next()
        listed.append(LandedFile(status.getPath().toString(), status.getLen(), status.getModificationTime()))
    return listed


def _walk_here(folder: Path) -> Iterator[LandedFile]:
    """The same on this machine, where Hadoop would start a process for each file, to learn whose it is.

    Its checksums (`.x.crc`) are no files to it, and go with theirs.
    """
    for place, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and name.endswith(".crc"):
                continue
            with suppress(FileNotFoundError):  # gone meanwhile
                told = Path(place, name).stat()
                yield LandedFile(f"file:{place}/{name}", told.st_size, told.st_mtime_ns // 1_000_000)


def relative_path(folder: str, file: str) -> str:
    """Path of a file below a folder, both URIs; schemes may be written with one slash or three."""
    root = folder.split(":", 1)[1].lstrip("/")
    return file.split(":", 1)[1].lstrip("/").removeprefix(root).lstrip("/")


def delete(spark: SparkSession, uri: str) -> None:
    """Remove a file or folder; nothing happens when it is not there. Raises LakeError when it is still there after."""
    fs, path = path_of(spark, uri)
    if not fs.delete(path, True) and fs.exists(path):
        raise LakeError(f"{uri} cannot be removed. Look at its rights, and whether its disk is writable.")


def delete_if_empty(spark: SparkSession, folder: str) -> None:
    """Remove a folder that holds nothing."""
    fs, path = path_of(spark, folder)
    if not list(fs.listStatus(path)):
        fs.delete(path, False)


def replace(spark: SparkSession, uri: str, *, by: str) -> None:
    """Move the file `by` over the one at `uri`, in one step where the file system has one (local, HDFS; not S3).

    Hadoop keeps a checksum beside a local file. It goes: it would speak against the next file of that name.
    """
    gateway = spark.sparkContext._gateway
    assert gateway
    kind, path = jvm(spark, "org.apache.hadoop.fs.Options$Rename"), jvm(spark, "org.apache.hadoop.fs.Path")
    over = gateway.new_array(kind, 1)
    over[0] = kind.OVERWRITE
    target, source = path(uri), path(by)
    settings = spark._jsparkSession.sessionState().newHadoopConf()
    context = jvm(spark, "org.apache.hadoop.fs.FileContext").getFileContext(target.toUri(), settings)
    context.rename(source, target, over)
    folder, name = uri.rsplit("/", 1)
    delete(spark, f"{folder}/.{name}.crc")


def move(spark: SparkSession, uri: str, to: str) -> None:
    """Give a folder another name. Raises LakeError when something is there, or the store cannot."""
    fs, path = path_of(spark, uri)
    if fs.exists(path_of(spark, to)[1]) or not fs.rename(path, path_of(spark, to)[1]):
        raise LakeError(f"{uri} cannot be moved to {to}. Look at both, then run the command again.")


def compress(spark: SparkSession, uri: str, to: str) -> None:
    """Write a file again as one Zstandard frame."""
    fs, source = path_of(spark, uri)
    target = jvm(spark, "com.github.luben.zstd.ZstdOutputStream")(fs.create(path_of(spark, to)[1]))
    jvm(spark, "org.apache.hadoop.io.IOUtils").copyBytes(fs.open(source), target, 65536, True)
