"""Erases people from a lake: suppression list, landed files, tables, disk, receipt. See docs/retention.md.

After a kill, run the same erasure again.
"""

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
from etl.engine.jobs import ddl
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

PASSES = 5  # a run under way may publish rows of an erased person after a pass, so another pass is needed
AT_ONCE = 1000  # maximum number of people that one rewrite of a table erases


@dataclass
class Erasure:
    """State of one erasure. `suppressed` is the suppression list for the role of the people.

    `people_digest`: keyed digest that identifies the people in the ledger and receipts. `incomplete`: what could not be
    searched, or must wait.
    """

    context: RunContext
    people: Sequence[int]
    suppressed: SuppressionList
    people_digest: str
    incomplete: list[str] = field(default_factory=list)

    @contextmanager
    def continue_on_error(self, what: str) -> Iterator[None]:
        """Log an error of reading or writing and add it to `incomplete`, so that the erasure continues."""
        try:
            yield
        except (LakeError, LandingError, Py4JJavaError, PySparkException) as error:
            log.warning("erasure: %s: %s", what, first_line(error))
            self.incomplete.append(f"{what}: {first_line(error)}")

    def groups(self) -> Iterator[Sequence[int]]:
        """Return the people in groups of AT_ONCE."""
        return (self.people[i : i + AT_ONCE] for i in range(0, len(self.people), AT_ONCE))


def erase(
    spark: SparkSession, settings: Settings, people: Sequence[int], reason: str, role: Role = VIEWER
) -> dict[str, Any]:
    """Erase people in a role. Returns the receipt, which holds no ids.

    All checks run before anything is changed. Raises ConfigError when there is no lake or the reason holds an id,
    ConflictError while a backfill is in flight, ContractViolation while `migrate` is due.
    """
    people = sorted(set(people))
    if set(people) & {int(number) for number in re.findall(r"\d+", reason)}:
        raise ConfigError("--reason is kept for good and must not hold the id; give a ticket or an article.")
    context, backfill_register = backfills.open_lake(spark, settings)
    _refuse_in_flight(backfill_register)
    personal = [t for t in window.tables(context) if rules.rule(t, role)]
    for table in personal:
        ddl.refuse(table, ddl.changes(spark, table, context.uri(table)))
    for table in personal:
        recover(context, table)
    lake = files.absolute(settings.lake)
    # Tables hold a viewer's id or pseudonym. Both are listed, so that a sweep finds either.
    ids = people if role == CREATOR else [known for person in people for known in pseudonyms.known_ids(person)]
    suppressed = register.suppress(spark, lake, ids, role)
    assert suppressed.secret
    erasure = Erasure(context, people, suppressed, register.people_digest(suppressed.secret, role, people))
    receipt: dict[str, Any] = {"id": f"erasure-{context.run_id}", "mark": erasure.people_digest, "role": role.name}
    receipt |= {"people": len(people), "reason": reason, "place": _locations(settings)}
    texts = public.texts(context, people) if role == CREATOR else set()  # read before the tables lose them
    receipt["mails"], unread = mails.remove(spark, settings, role, lambda numbers: numbers & set(ids), texts)
    erasure.incomplete += unread
    receipt |= _landing_entries(erasure)
    _erase_rows(erasure, personal)
    receipt["tables"] = {t.name: _table_result(erasure, t) for t in personal}
    with erasure.continue_on_error("rejected batches"):
        receipt["batches"] = disk.remove_batches(context, suppressed)
    receipt["staged"] = _discard_staged(spark, lake, backfill_register)
    erasure.incomplete += broken_tables(context)
    receipt["at"] = datetime.now(UTC).isoformat()
    receipt["incomplete"] = erasure.incomplete
    receipt["complete"] = not erasure.incomplete
    register.write(spark, lake, receipt)
    return receipt


def _locations(settings: Settings) -> dict[str, str]:
    return {"lake": files.absolute(settings.lake), "landing": files.absolute(settings.landing)}


def _refuse_in_flight(backfill_register: Register) -> None:
    in_flight = [b.id for b in backfill_register.all() if b.in_flight]
    if in_flight:
        raise ConflictError(
            f"Backfill {in_flight[0]} is in flight and has rows staged. Let it end, or `feed-etl backfill cancel` it "
            "first."
        )


def broken_tables(context: RunContext) -> list[str]:
    """Return a line for each table with personal data that has files and cannot be opened."""
    closed = [t for t in catalog.tables() if rules.roles(t) and not delta.is_table(context.spark, context.uri(t))]
    return [f"{t.name} has files and is no table" for t in closed if files.walk(context.spark, context.uri(t))]


def _landing_entries(erasure: Erasure) -> dict[str, Any]:
    """Erase people from landed files. Returns the entries of the receipt, with ids in file names hidden."""
    results, unread = clean_landing(erasure.context, erasure.suppressed, erasure.incomplete)
    ids = {str(person) for person in erasure.people}
    shown = [re.sub(r"\d+", lambda n: "…" if n[0] in ids else n[0], name) for name in sorted(unread)]
    erasure.incomplete += [f"landed file {name}" for name in shown]
    return {"landing": {name: result.as_json() for name, result in results.items()}, "unread": shown}


def clean_landing(
    context: RunContext, suppressed: SuppressionList, incomplete: list[str]
) -> tuple[dict[str, landed.CleanResult], list[str]]:
    """Rewrite every landed file that names an erased person.

    Returns the result by event, and the files that could not be read. Adds to `incomplete` when there is no landing
    zone, or when another lake owns it.
    """
    if not files.exists(context.spark, files.absolute(context.settings.landing)):
        incomplete.append(f"There is no landing zone at {files.absolute(context.settings.landing)}")
        return {}, []
    if why := owner.refusal(context.spark, context.settings):
        incomplete.append(f"Landed files stay: {why}")
        return {}, []
    results = {e.name: _clean_event(context, t, e, suppressed) for t, e in landed.events(suppressed.role)}
    return results, [name for result in results.values() for name in result.unread]


def _clean_event(context: RunContext, table: Table, event: Event, suppressed: SuppressionList) -> landed.CleanResult:
    hours = landed_hours(context, event)
    result = landed.clean(context, table, suppressed, hours)
    result.unread += landed.unlisted(context, event, hours)
    return result


def _erase_rows(erasure: Erasure, personal: list[Table]) -> None:
    """Pass over all tables until a pass finds no row of the people."""
    for _ in range(PASSES):
        if not any([_erase(erasure, table, people) for table in personal for people in erasure.groups()]):
            break
        erasure.context.ledger.refresh()


def _erase(erasure: Erasure, table: Table, people: Sequence[int]) -> bool:
    """Erase people from a table, again after a conflict with a run. Returns whether it had rows of them."""
    try:
        with erasure.continue_on_error(table.name):
            for attempt in attempts():
                with attempt, delta.translate_conflicts(table.name):
                    return tables.erase(erasure.context, table, people, erasure.suppressed, erasure.people_digest)
    finally:
        erasure.context.ledger.flush()
    return False


def _table_result(erasure: Erasure, table: Table) -> dict[str, Any]:
    """Remove orphan files of a table that hold the people. Returns the entry of the receipt for the table."""
    role = erasure.suppressed.role
    done = tables.done(erasure.context, table, role, erasure.people_digest)
    with erasure.continue_on_error(table.name):
        done |= disk.purge(erasure.context, table, role, list(erasure.groups()))
        if "files_waiting" in done:
            what = f"files a run may be about to publish wait until {done['gone_at']}"
            erasure.incomplete.append(f"{table.name}: {what}")
    return done


def _discard_staged(spark: SparkSession, lake: str, backfill_register: Register) -> list[str]:
    """Remove rows that ended backfills have left in their staging lakes. Returns the ids of the backfills."""
    ids = [b.id for b in backfill_register.all()]
    with_folder = [f.name for f in files.list_folders(spark, f"{lake}/_backfill") if f.name in ids]
    for backfill_id in with_folder:
        staging.discard(spark, lake, backfill_id)
    return with_folder
