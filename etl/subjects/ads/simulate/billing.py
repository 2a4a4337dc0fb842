"""Invoices: correct, a cent off, with invalid traffic, five dollars off, without delivery, or missing."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from etl.sources.landing_writer import Row
from etl.subjects.ads.simulate.truth import Truth
from etl.subjects.ads.simulate.world import CAMPAIGN_ID, CAMPAIGNS

CENT = Decimal("0.01")


def bills(truth: Truth) -> Iterator[Row]:
    """An invoice per campaign and day with spend, except for every fifth one; and one invoice without delivery."""
    spent = truth.spend()
    for number, ((campaign, day), spend) in enumerate(sorted(spent.items())):
        off = (Decimal(0), CENT, spend.invalid, Decimal(5))[number % 4]
        if number % 5 != 4:
            yield _bill(campaign, day, spend.batch + off, spend.batch + spend.invalid)
    for day in sorted({day for _, day in spent})[:1]:
        yield _bill(CAMPAIGN_ID + CAMPAIGNS - 1, day, Decimal("12.34"), None)


def _bill(campaign: int, day: str, billed: Decimal, streaming: Decimal | None) -> Row:
    counted = {} if streaming is None else {"streaming_usd": float(streaming)}
    return {"campaign_id": campaign, "day": day, "billed_usd": float(billed)} | counted
