"""Every file-system call of run, erase, maintain and backfill fails in turn: `python -m faults.injection [STORY ...]`.

A command is run once without a fault and its calls are noted, those of Python and of the JVM below lake and landing
zone. Then, for each kind of call and each time it is made, on a fresh copy of the lake, that call fails. The
command must end well or with one error of ours; every table must be readable, each hour as it was or as it will be.
Run again without a fault, everything must be as if nothing had failed. The end is a table, and 1 at any loss.
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

from faults.injection import calls, stories
from faults.injection.stories import Content, Story
from pyspark.sql import SparkSession
from support.lakes import copy
from support.local_lake import END, START, local_settings

from etl.conf import Settings
from etl.engine.jobs import runner
from etl.engine.spark import session

FIRST_AND_LAST = 2  # of a kind of call that is made many times the first two and the last one fail


def _spark(classes: Path) -> SparkSession:
    options = {**session.SMALL_HOURS, **calls.options(classes)}
    os.environ |= {
        "FEED_ETL_SPARK": json.dumps(options),
        "FEED_ETL_MASTER": "local[2]",
        "FEED_ETL_PARALLEL_TABLES": "1",
    }
    return session.start(local_settings(Path("unused")).model_copy(update={"spark": options}), "faults")


def _template(spark: SparkSession, folder: Path) -> Settings:
    """A lake before any command."""
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


def _chosen(found: list[tuple[str, int]], share: float, seed: str) -> list[tuple[str, int]]:
    """Calls to fail: of each kind the first ones and the last, and of these a share."""
    last = dict(found)
    wanted = [(kind, nth) for kind, nth in found if nth <= FIRST_AND_LAST or nth == last[kind]]
    chance = random.Random(seed)
    return sorted(chance.sample(wanted, max(1, round(share * len(wanted)))), key=wanted.index)


class Trial:
    """One story: the calls it makes, and what each failing call leads to."""

    def __init__(self, found: calls.Calls, template: Settings, story: Story, folder: Path) -> None:
        self.spark = spark = found.spark
        self.calls, self.template, self.story, self.folder = found, template, story, folder
        self.before: Content = stories.content(spark, template)
        unharmed = _copy(template, folder / "unharmed", story)
        self.calls.arm(folder / "unharmed")
        failed = story.act(spark, unharmed)
        self.found = self.calls.disarm()
        assert not failed, f"{story.name} without a fault: {failed}"
        self.after: Content = stories.content(spark, unharmed)
        assert list(story.faults(spark, unharmed, self.after)) == []

    def fail(self, number: int, kind: str, nth: int) -> tuple[bool, list[str]]:
        """Whether the call was made at all, and the losses."""
        place_ = self.folder / str(number)
        settings = _copy(self.template, place_, self.story)
        stories.tidy(self.spark)
        self.calls.arm(place_, kind, nth)
        losses = []
        try:
            self.story.act(self.spark, settings)
        except Exception as error:
            losses.append(f"no error of ours: {type(error).__name__}: {str(error)[:300]}")
        fired = self.calls.fired
        self.calls.disarm()
        losses += stories.readable(self.spark, settings, self.before, self.after)
        if again := self.story.act(self.spark, settings):
            losses.append(f"run again it fails: {again}")
        losses += self.story.faults(self.spark, settings, self.after)
        stories.tidy(self.spark)
        if not losses:
            shutil.rmtree(place_)
        return fired, losses


def main() -> int:
    parser = argparse.ArgumentParser(prog="faults.injection")
    parser.add_argument("stories", nargs="*", help="run, erase, erase-creator, maintain, backfill; all without it")
    parser.add_argument("--share", type=float, default=1.0, help="share of the calls that fail, drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", default="", help="only kinds of calls with this in their name")
    given = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="faults-"))
    os.environ |= {"FEED_ETL_KEYS": str(base / "keys"), "FEED_ETL_PSEUDONYM_KEY": "0" * 64}  # one key for every copy
    spark = _spark(calls.compiled(base))
    found, template, lost = calls.Calls(spark), _template(spark, base / "template"), 0
    for story in stories.STORIES:
        if given.stories and story.name not in given.stories:
            continue
        lost += _tell(Trial(found, template, story, base / story.name), given)
    spark.stop()
    if not lost:
        shutil.rmtree(base)
    return 1 if lost else 0


def _tell(trial: Trial, given: argparse.Namespace) -> int:
    """Try a story and print its line; returns how many calls led to a loss."""
    started, story = time.monotonic(), trial.story
    chosen = [c for c in _chosen(trial.found, given.share, f"{given.seed} {story.name}") if given.kind in c[0]]
    print(f"{story.name}: {len(trial.found)} calls of {len(dict(trial.found))} kinds", flush=True)
    fired = lost = 0
    for number, (kind, nth) in enumerate(chosen):
        was, losses = trial.fail(number, kind, nth)
        fired, lost = fired + was, lost + bool(losses)
        for loss in losses:
            print(f"LOSS {story.name}: {kind} #{nth} ({trial.folder / str(number)}): {loss}", flush=True)
    seconds = time.monotonic() - started
    print(f"{story.name}: {len(chosen)} calls chosen, {fired} failed, losses {lost}; {seconds:.0f} s", flush=True)
    return lost


if __name__ == "__main__":
    raise SystemExit(main())
