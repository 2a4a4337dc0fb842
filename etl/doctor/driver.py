"""Runs the checks of `feed-etl doctor`. None of them starts Spark or changes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from etl.conf import Settings
from etl.doctor import machine, places, settings
from etl.doctor.finding import Finding, failed
from etl.errors import ConfigError, FeedEtlError

BY_SETTINGS: tuple[Callable[[Settings], Iterable[Finding]], ...] = (
    settings.configuration,
    settings.pseudonym_key,
    machine.memory,
    machine.ports,
    places.space,
    places.temporary,
    places.lake,
    places.landing,
    places.clock,
    settings.mail_server,
    settings.telemetry,
)


def examine(given: Settings | ConfigError) -> Iterator[Finding]:
    """The findings of all checks. Without valid settings only those of the machine, and what is wrong with them."""
    found = None if isinstance(given, ConfigError) else given
    yield from machine.packages()
    yield from machine.java_home()
    yield from machine.jars(found)
    if isinstance(given, ConfigError):
        yield failed("configuration", str(given), "Correct conf/ or the environment; the other checks need it.")
        return
    for check in BY_SETTINGS:
        yield from _guarded(check, given)


def _guarded(check: Callable[[Settings], Iterable[Finding]], given: Settings) -> Iterator[Finding]:
    """The findings of one check. An error of a check is a finding, and the other checks go on."""
    name = check.__name__.replace("_", " ")
    try:
        yield from check(given)
    except FeedEtlError as error:
        yield failed(name, str(error), "The line says what to do; see docs/runbook.md.")
    except ValueError as error:
        yield failed(name, str(error), "Correct this setting, then run doctor again.")
    except OSError as error:
        yield failed(name, f"{error.filename or ''}: {error.strerror or error}", "Repair that, then run doctor again.")
