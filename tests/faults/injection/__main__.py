"""Fails every file-system call of run, erase, maintain and backfill in turn: `python -m faults.injection [STORY ...]`.

The script first runs a command without a fault and records its calls below lake and landing zone, in Python and in the
JVM. Then, on a fresh copy of the lake, it fails one call: for each kind of call its first two occurrences and the last
one, or with --distinct one call for each operation, kind of file and caller. The command must
succeed or raise one FeedEtlError. Every table must stay readable, and each hour must have its old or its new content.
After a second run without a fault, everything must be as if nothing had failed. The script prints a table, and exits
with 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

from faults.injection import callers, calls, stories
from faults.injection.calls import Call
from faults.injection.stories import Content, Story
from pyspark.sql import SparkSession
from support.lakes import copy
from support.local_lake import END, START, local_settings

from etl.conf import Settings
from etl.engine.jobs import runner
from etl.engine.spark import session

FIRST_AND_LAST = 2  # of a kind of call with many occurrences, fail the first two and the last one


def _spark(classes: Path) -> SparkSession:
    options = {**session.SMALL_HOURS, **calls.options(classes)}
    os.environ |= {
        "FEED_ETL_SPARK": json.dumps(options),
        "FEED_ETL_MASTER": "local[2]",
        "FEED_ETL_PARALLEL_TABLES": "1",
    }
    return session.start(local_settings(Path("unused")).model_copy(update={"spark": options}), "faults")


def _template(spark: SparkSession, folder: Path) -> Settings:
    """A lake before any command of a story."""
    settings = local_settings(folder)
    stories.land_first(settings)
    summary = runner.run(spark, settings, START, END, tables=list(stories.TABLES))
    assert not summary.errors, summary.errors
    return settings


def _copy(template: Settings, folder: Path, story: Story) -> Settings:
    settings = copy(template, folder)
    if story.late:
        stories.land_more(settings)
    return settings


def _first_and_last(found: list[Call]) -> list[Call]:
    """The first two occurrences and the last one of each kind."""
    last = {call.kind: call.nth for call in found}
    return [call for call in found if call.nth <= FIRST_AND_LAST or call.nth == last[call.kind]]


def distinct(found: list[Call]) -> list[Call]:
    """The first call of each operation, kind of file and caller."""
    first: dict[tuple[str, str], Call] = {}
    for call in found:
        first.setdefault((callers.class_of(call.kind), call.caller), call)
    return list(first.values())


def _chosen(wanted: list[Call], share: float, seed: str) -> list[Call]:
    """A random share of the calls."""
    chance = random.Random(seed)
    return sorted(chance.sample(wanted, max(1, round(share * len(wanted)))), key=wanted.index)


class Trial:
    """One story: the calls that it makes, and the result of each failing call."""

    def __init__(self, found: calls.Calls, template: Settings, story: Story, folder: Path) -> None:
        self.spark = spark = found.spark
        self.calls, self.template, self.story, self.folder = found, template, story, folder
        self.before: Content = stories.content(spark, template)
        unharmed = _copy(template, folder / "unharmed", story)
        with self.calls.recording(folder / "unharmed"):
            failed = story.act(spark, unharmed)
        self.found = self.calls.disarm()
        assert not failed, f"{story.name} without a fault: {failed}"
        self.after: Content = stories.content(spark, unharmed)
        assert list(story.faults(spark, unharmed, self.after)) == []

    def fail(self, number: int, kind: str, nth: int) -> tuple[bool, list[str]]:
        """Fail one call. Returns whether the call was made, and the losses."""
        folder = self.folder / str(number)
        settings = _copy(self.template, folder, self.story)
        stories.tidy(self.spark)
        self.calls.arm(folder, kind, nth)
        losses = []
        try:
            self.story.act(self.spark, settings)
        except Exception as error:
            losses.append(f"not a FeedEtlError: {type(error).__name__}: {str(error)[:300]}")
        fired = self.calls.fired
        self.calls.disarm()
        losses += stories.readable(self.spark, settings, self.before, self.after)
        if again := self.story.act(self.spark, settings):
            losses.append(f"the second run fails: {again}")
        losses += self.story.faults(self.spark, settings, self.after)
        stories.tidy(self.spark)
        if not losses:
            shutil.rmtree(folder)
        return fired, losses


def main() -> int:
    parser = argparse.ArgumentParser(prog="faults.injection")
    parser.add_argument("stories", nargs="*", help="run, erase, erase-creator, maintain, backfill; default: all")
    parser.add_argument("--share", type=float, default=1.0, help="share of the calls that fail, chosen at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--distinct", action="store_true", help="fail one call per operation, kind of file and caller")
    parser.add_argument("--list", action="store_true", help="only print the calls that would fail")
    parser.add_argument("--kind", default="", help="only kinds of calls that contain this text")
    given = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="faults-"))
    os.environ |= {"FEED_ETL_KEYS": str(base / "keys"), "FEED_ETL_PSEUDONYM_KEY": "0" * 64}  # one key for every copy
    spark = _spark(calls.compiled(base))
    found, template, lost = calls.Calls(spark), _template(spark, base / "template"), 0
    for story in stories.STORIES:
        if given.stories and story.name not in given.stories:
            continue
        lost += _try(Trial(found, template, story, base / story.name), given)
    spark.stop()
    if not lost:
        shutil.rmtree(base)
    return 1 if lost else 0


def _try(trial: Trial, given: argparse.Namespace) -> int:
    """Try all chosen calls of a story and print the result. Returns the number of calls with a loss."""
    started, story = time.monotonic(), trial.story
    wanted = distinct(trial.found) if given.distinct else _first_and_last(trial.found)
    chosen = [c for c in _chosen(wanted, given.share, f"{given.seed} {story.name}") if given.kind in c.kind]
    print(f"{story.name}: {len(trial.found)} calls of {len({c.kind for c in trial.found})} kinds", flush=True)
    if given.list:
        print(*(f"{call.kind} #{call.nth} by {call.caller}" for call in chosen), sep="\n", flush=True)
        chosen = []
    fired = lost = 0
    for number, (kind, nth, _) in enumerate(chosen):
        was, losses = trial.fail(number, kind, nth)
        fired, lost = fired + was, lost + bool(losses)
        for loss in losses:
            print(f"LOSS {story.name}: {kind} #{nth} ({trial.folder / str(number)}): {loss}", flush=True)
    seconds = time.monotonic() - started
    print(f"{story.name}: {len(chosen)} calls chosen, {fired} failed, losses {lost}; {seconds:.0f} s", flush=True)
    return lost


if __name__ == "__main__":
    raise SystemExit(main())
