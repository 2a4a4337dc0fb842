"""With `--log-format json` every line of standard error is one JSON object that says what it belongs to."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from support.command_line import feed_etl

FIELDS = {"ts", "level", "logger", "message", "run_id", "table", "hour"}
EVERYTHING = """
import logging, os, subprocess, sys, warnings
from etl.telemetry import fields, json_lines
with json_lines.standard_error() as out:
    handler = logging.StreamHandler(out)
    handler.setFormatter(json_lines.JsonFormatter())
    logging.basicConfig(handlers=[handler])
    log = logging.getLogger("feed_etl")
    with fields.scope(run_id="run-1", hour="2026-06-01T10"), fields.scope(table="fct_shares"):
        log.warning("a line\\nof two: %s", "naïve")
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("failed")
    print("note of a library", file=sys.stderr)
    subprocess.run([sys.executable, "-c", "import os; os.write(2, b'note of a child\\\\n\\\\n{\\"own\\": 1}\\\\n')"])
print("after", file=sys.stderr)
"""


def lines(stderr: str) -> list[dict[str, Any]]:
    """The lines as JSON objects; fails when one is not."""
    found = [json.loads(line) for line in stderr.splitlines()]
    assert all(isinstance(each, dict) for each in found)
    return found


def everything() -> tuple[list[dict[str, Any]], str]:
    """The JSON lines of a process in which everything writes to standard error, and its first line after them."""
    done = subprocess.run([sys.executable, "-c", EVERYTHING], capture_output=True, text=True, timeout=60, check=True)
    *as_json, after = done.stderr.splitlines()
    return lines("\n".join(as_json)), after


def test_every_line_is_an_object_whoever_wrote_it() -> None:
    found, after = everything()
    by_message = {each.get("message"): each for each in found}
    warned = by_message["a line\nof two: naïve"]
    assert warned.keys() == FIELDS
    assert (warned["level"], warned["run_id"], warned["table"], warned["hour"]) == (
        "WARNING", "run-1", "fct_shares", "2026-06-01T10",
    )  # fmt: skip
    assert warned["ts"].endswith("Z")
    assert "ZeroDivisionError" in by_message["failed"]["exception"] and by_message["failed"]["table"] is None
    assert by_message["note of a library"]["logger"] == by_message["note of a child"]["logger"] == "stderr"
    assert {"own": 1, "run_id": None, "table": None, "hour": None} in found  # as Spark's lines, which are JSON already
    assert after == "after"


def test_the_error_of_a_command_is_one_object() -> None:
    done = feed_etl("--log-format", "json", "--lake", "/nowhere/lake", "status")
    (line,) = lines(done.stderr)
    assert done.returncode == 7 and done.stdout == ""
    assert line["level"] == "ERROR" and line["message"].startswith("LakeError: There is no lake at")


def test_the_format_comes_from_the_environment_too() -> None:
    done = feed_etl("describe", "nothing", FEED_ETL_LOG_FORMAT="json")
    (line,) = lines(done.stderr)
    assert done.returncode == 2 and line["message"].startswith("ConfigError: There is no table or event 'nothing'")


def test_a_bug_is_one_object_with_its_traceback() -> None:
    broken = (
        "import etl.commands.lake as lake; from etl import terminal, cli\n"
        "def fail(*_): raise RuntimeError('a bug')\n"
        "terminal.print_contract = fail; cli.main()"
    )
    words = [sys.executable, "-c", broken, "--log-format", "json", "describe", "fct_shares"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    (line,) = lines(done.stderr)
    assert done.returncode == 1 and line["level"] == "CRITICAL"
    assert "RuntimeError: a bug" in line["exception"]


def test_text_stays_the_default() -> None:
    assert feed_etl("describe", "nothing").stderr.startswith("ConfigError: There is no table or event 'nothing'")


@pytest.mark.parametrize("text", [r'{"a": "\ud800"}', "[" * 100_000, "{"], ids=["half a character", "deep", "cut"])
def test_an_odd_line_stops_no_other_line(text: str) -> None:
    program = f"""
import sys
from etl.telemetry import json_lines
with json_lines.standard_error():
    print({text!r}, file=sys.stderr)
    print("next", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert lines(done.stderr)[-1]["message"] == "next"


def test_a_program_goes_on_when_nobody_reads_its_lines() -> None:
    """More is written than a pipe holds."""
    program = """
import os, sys
from etl.telemetry import json_lines
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 2)
with json_lines.standard_error():
    for _ in range(3000):
        os.write(2, b"x" * 99 + b"\\n")
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout == "done\n"
