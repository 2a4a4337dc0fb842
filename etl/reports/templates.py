"""The templates of mails and Data Docs, with filters for numbers and times. HTML templates escape every value."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import jinja2

from etl.reports.findings import Finding


@cache
def templates() -> jinja2.Environment:
    """The environment of all templates. A name without a value raises jinja2.UndefinedError."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("etl.reports", "."),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "number": _number,
        "when": _when,
        "hours": _hours,
        "share": _share,
        "plural": _plural,
        "streak": _streak,
    }
    found.filters["instant"] = datetime.fromisoformat
    return found


def _number(value: int) -> str:
    return f"{value:,}"


def _when(value: datetime) -> str:
    return f"{value.astimezone(UTC):%a %-d %b %Y %H:%M} UTC"


def _hours(hours: list[datetime]) -> str:
    """The first six hours (or days), then how many more there are."""
    form = "%-d %b %H:00" if any(h.hour for h in hours) else "%-d %b %Y"
    listed = ", ".join(f"{h:{form}}" for h in hours[:6])
    return f"{listed} and {len(hours) - 6} more" if len(hours) > 6 else listed


def _share(finding: Finding) -> str:
    """`12 of 1,000 rows (1.2 %)`, or less when the counts are unknown."""
    if finding.broken:
        return f"not evaluated{f' ({finding.error_class})' if finding.error_class else ''}"
    if finding.count is None:
        return "the batch as a whole"
    if not finding.of:
        return _plural(finding.count, finding.unit.removesuffix("s"))
    share = 100 * finding.count / finding.of
    shown = "< 0.01" if 0 < share < 0.01 else f"{share:.2f}"
    return f"{finding.count:,} of {finding.of:,} {finding.unit} ({shown} %)"


def _streak(finding: Finding) -> str:
    """For how long a rule has failed."""
    if finding.runs == 1:
        return f"it held in the run before; failing since {_when(finding.since)}"
    return f"failing in {finding.runs} runs in a row, since {_when(finding.since)}"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
