"""An erasure from the list of the erased to the receipt. Killed anywhere, it is run again; see docs/retention.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.delta.attempts import attempts
from etl.engine.jobs.recovery import recover
from etl.engine.jobs.run_context import RunContext, log
from etl.engine.landing import owner
from etl.engine.people import pseudonyms
from etl.engine.people.suppression import SuppressionList
from etl.engine.spark import files
from etl.errors import ConfigError, ConflictError, LakeError, LandingError, first_line
from etl.model.contract import Event, Table
from etl.model.privacy import CREATOR, VIEWER, Role
from etl.operations.backfill import driver as backfills
from etl.operations.backfill import staging
from etl.operations.backfill.register import Register
from etl.operations.erasure import disk, landed, mails, public, register, rules, tables
from etl.operations.retention import window
from etl.operations.retention.landing import landed_hours

PASSES = 5  # a run may publish what it read before the viewer was on the list; then there is more to do
AT_ONCE = 1000  # people whose rows one rewrite of a table takes


@dataclass
class Erasure:
    """What an erasure works with, and what it could not look at or must leave for later. The list knows the role."""

    context: RunContext
    people: Sequence[int]
    suppressed: SuppressionList
    mark: str
    incomplete: list[str] = field(default_factory=list)

    @contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """What cannot be read or written is in the way of nothing else: it is noted, and the receipt says so."""
        try:
            yield
        except (LakeError, LandingError, Py4JJavaError, PySparkException) as error:
            log.warning("erasure: %s: %s", what, first_line(error))
            self.incomplete.append(f"{what}: {first_line(error)}")

    def groups(self) -> Iterator[Sequence[int]]:
        """The people in groups that a table is rewritten for at once."""
        return (self.people[i : i + AT_ONCE] for i in range(0, len(self.people), AT_ONCE))


def erase(
    spark: SparkSession, settings: Settings, people: Sequence[int], reason: str, role: Role = VIEWER
) -> dict[str, Any]:
    """Erase people in a role; returns the one receipt, without ids. Every refusal comes before anything is changed.

    Raises ConfigError when there is no lake or the reason holds an id, ConflictError while a backfill is in flight.
    """
    people = sorted(set(people))
    if set(people) & {int(number) for number in re.findall(r"\d+", reason)}:
        raise ConfigError("--reason is kept for good and must not hold the id; give a ticket or an article.")
    context, backfill = backfills.open_lake(spark, settings)
    _refuse_in_flight(backfill)
    personal = [t for t in window.tables(context) if rules.rule(t, role)]
    for table in personal:
        recover(context, table)
    lake = files.absolute(settings.lake)
    # The sweep knows rows of viewers by either name.
    names = people if role == CREATOR else [name for person in people for name in pseudonyms.known_ids(person)]
    suppressed = register.suppress(spark, lake, names, role)
    assert suppressed.secret
    mine = Erasure(context, people, suppressed, register.mark(suppressed.secret, role, people))
    receipt: dict[str, Any] = {"id": f"erasure-{context.run_id}", "mark": mine.mark, "role": role.name}
    receipt |= {"people": len(people), "reason": reason, "place": _place(settings)}
    texts = public.texts(context, people) if role == CREATOR else set()  # before the tables lose them
    receipt["mails"], unread = mails.remove(spark, settings, role, lambda numbers: numbers & set(names), texts)
    mine.incomplete += unread
    receipt |= _landing(mine)
    _rows(mine, personal)
    receipt["tables"] = {t.name: _gone(mine, t) for t in personal}
    with mine.noted("refused batches"):
        receipt["batches"] = disk.batches(context, suppressed)
    receipt["staged"] = _staged(spark, lake, backfill)
    mine.incomplete += broken(context)
    receipt["at"] = datetime.now(UTC).isoformat()
    receipt["incomplete"] = mine.incomplete
    receipt["complete"] = not mine.incomplete
    register.write(spark, lake, receipt)
    return receipt


def _place(settings: Settings) -> dict[str, str]:
    return {"lake": files.absolute(settings.lake), "landing": files.absolute(settings.landing)}


def _refuse_in_flight(register_: Register) -> None:
    going = [b.id for b in register_.all() if b.in_flight]
    if going:
        raise ConflictError(
            f"Backfill {going[0]} is in flight and has rows staged. Let it end, or `feed-etl backfill cancel` it first."
        )


def broken(context: RunContext) -> list[str]:
    """Tables with something of a person that have files and cannot be opened."""
    made = [t for t in catalog.tables() if rules.roles(t) and not delta.is_table(context.spark, context.uri(t))]
    return [f"{t.name} has files and is no table" for t in made if files.walk(context.spark, context.uri(t))]


def _landing(mine: Erasure) -> dict[str, Any]:
    """What of a receipt is about the landing zone."""
    found, unread = look_through(mine.context, mine.suppressed, mine.incomplete)
    hidden = {str(person) for person in mine.people}
    shown = [re.sub(r"\d+", lambda n: "…" if n[0] in hidden else n[0], name) for name in sorted(unread)]
    mine.incomplete += [f"landed file {name}" for name in shown]
    return {"landing": {name: f.as_json() for name, f in found.items()}, "unread": shown}


def look_through(
    context: RunContext, suppressed: SuppressionList, incomplete: list[str]
) -> tuple[dict[str, landed.Found], list[str]]:
    """Every landed file written anew that names an erased person; files that nobody can read are returned, too."""
    if not files.exists(context.spark, files.absolute(context.settings.landing)):
        incomplete.append(f"There is no landing zone at {files.absolute(context.settings.landing)}")
        return {}, []
    if why := owner.refusal(context.spark, context.settings):
        incomplete.append(f"Landed files stay: {why}")
        return {}, []
    found = {e.name: _landed(context, t, e, suppressed) for t, e in landed.events(suppressed.role)}
    return found, [name for f in found.values() for name in f.unread]


def _landed(context: RunContext, table: Table, event: Event, suppressed: SuppressionList) -> landed.Found:
    hours = landed_hours(context, event)
    found = landed.clean(context, table, suppressed, hours)
    found.unread += landed.unlisted(context, event, hours)
    return found


def _rows(mine: Erasure, personal: list[Table]) -> None:
    """Passes over all tables until one finds nothing more."""
    for _ in range(PASSES):
        if not any([_erase(mine, table, people) for table in personal for people in mine.groups()]):
            break
        mine.context.ledger.refresh()


def _erase(mine: Erasure, table: Table, people: Sequence[int]) -> bool:
    """Whether there was anything; read afresh when a run got in between."""
    try:
        with mine.noted(table.name):
            for attempt in attempts():
                with attempt, delta.translate_conflicts(table.name):
                    return tables.erase(mine.context, table, people, mine.suppressed, mine.mark)
    finally:
        mine.context.ledger.flush()
    return False


def _gone(mine: Erasure, table: Table) -> dict[str, Any]:
    """What was done to a table, and what is left of its old files."""
    done = tables.done(mine.context, table, mine.suppressed.role, mine.mark)
    with mine.noted(table.name):
        done |= disk.purge(mine.context, table, mine.suppressed.role, list(mine.groups()))
        if "files_waiting" in done:
            mine.incomplete.append(f"{table.name}: files a run may be about to publish wait until {done['gone_at']}")
    return done


def _staged(spark: SparkSession, lake: str, register_: Register) -> list[str]:
    """Rows that backfills which are over have left behind."""
    over = [b.id for b in register_.all()]
    left = [f.name for f in files.list_folders(spark, f"{lake}/_backfill") if f.name in over]
    for name in left:
        staging.discard(spark, lake, name)
    return left
