"""The templates of reports, and how numbers and times are written in them. HTML is escaped, whatever comes in."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import jinja2

from etl.reports.quality import Finding


@cache
def templates() -> jinja2.Environment:
    """The one environment of all templates; a name that is not given is an error."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("etl.reports", "."),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"number": _number, "when": _when, "hours": _hours, "of": _of, "plural": _plural, "row": _row}
    found.filters["instant"] = datetime.fromisoformat
    return found


def _number(value: int) -> str:
    return f"{value:,}"


def _when(value: datetime) -> str:
    return f"{value.astimezone(UTC):%a %-d %b %Y %H:%M} UTC"


def _hours(hours: list[datetime]) -> str:
    """Hours or days as a reader counts them: the first few, then how many more."""
    form = "%-d %b %H:00" if any(h.hour for h in hours) else "%-d %b %Y"
    listed = ", ".join(f"{h:{form}}" for h in hours[:6])
    return f"{listed} and {len(hours) - 6} more" if len(hours) > 6 else listed


def _of(finding: Finding) -> str:
    """`12 of 1,000 rows (1.2 %)`, as far as it is known."""
    if finding.broken:
        return f"not evaluated{f' ({finding.error_class})' if finding.error_class else ''}"
    if finding.count is None:
        return "the batch as a whole"
    if not finding.of:
        return _plural(finding.count, finding.unit.removesuffix("s"))
    share = 100 * finding.count / finding.of
    shown = "< 0.01" if 0 < share < 0.01 else f"{share:.2f}"
    return f"{finding.count:,} of {finding.of:,} {finding.unit} ({shown} %)"


def _row(finding: Finding) -> str:
    """How long a rule has not held."""
    if finding.runs == 1:
        return f"not so in the run before; since {_when(finding.since)}"
    return f"{finding.runs} runs in a row, since {_when(finding.since)}"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
