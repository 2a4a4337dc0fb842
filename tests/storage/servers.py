"""An S3 server (moto) on loopback, in its own environment (`requirements-s3.lock`), which is created on first use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from support.ports import free_port

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
BUCKET = "feed"
ENDPOINT = "spark.hadoop.fs.s3a.endpoint"
STARTS_WITHIN = 120  # seconds, including the download of packages


@contextmanager
def s3() -> Iterator[dict[str, str]]:
    """Start a server with one empty bucket. Yields the environment variables in which `s3a://feed/` is that bucket."""
    port = free_port()
    command = [str(UV), "run", "--no-project", "--isolated", "--with-requirements", str(ROOT / "requirements-s3.lock")]
    command += ["moto_server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as server:
        try:
            _make_bucket(f"http://127.0.0.1:{port}/{BUCKET}")
            yield _environment(port)
        finally:
            os.killpg(server.pid, signal.SIGTERM)


def upload(folder: Path, to: str, spark: dict[str, str]) -> None:
    """Upload every landed file below a folder with its relative path, except the truth of a simulation."""
    for file in sorted(f for f in folder.rglob("*") if f.is_file() and "_truth" not in f.parts):
        key = quote(f"{BUCKET}/{to}/{file.relative_to(folder)}")
        _put(f"{spark[ENDPOINT]}/{key}", file.read_bytes())


def _put(url: str, content: bytes | None = None) -> None:
    put = urllib.request.Request(url, content, {"Content-Type": "application/octet-stream"}, method="PUT")
    urllib.request.urlopen(put, timeout=30).close()


def _make_bucket(url: str) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            return _put(url)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def _environment(port: int) -> dict[str, str]:
    """Environment variables as an operator sets them: credentials with the SDK's names, the rest as Spark settings."""
    spark = {
        ENDPOINT: f"http://127.0.0.1:{port}",
        "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.expect.continue": "false",  # the server ends the response after its status 100
    }
    return {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "FEED_ETL_SPARK": json.dumps(spark)}
