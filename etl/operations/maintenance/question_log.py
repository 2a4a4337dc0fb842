"""Merges the files of the log of questions, one for each closed day, and removes days past their time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial

from etl.engine.spark import files
from etl.engine.sql import question_log
from etl.operations.retention.action import Action
from etl.operations.retention.window import DAY, Window

STEP = "questions"


def plan(window: Window) -> Iterator[Action]:
    """An action for each day to remove, and for each closed day with several files. Days are of the wall clock."""
    spark, settings = window.context.spark, window.context.settings
    today, kept_from = window.today.date(), (window.today - question_log.KEPT_DAYS * DAY).date()
    for folder in files.list_folders(spark, question_log.folder(settings)):
        day = date.fromisoformat(folder.name.removeprefix("day="))
        listed = files.list_files(spark, folder.uri)
        size = sum(file.size for file in listed)
        if day < kept_from:
            do = partial(files.delete, spark, folder.uri)
            yield Action(STEP, "_query_cost", f"questions of {day} removed", do, len(listed), size)
        elif day < today and len(listed) > 1:
            do = partial(question_log.merge_day, spark, settings, day)
            yield Action(STEP, "_query_cost", f"{len(listed)} files of {day} merged", do)
