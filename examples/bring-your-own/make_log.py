"""Writes a log as another company might have it: what a shop recommended in one hour, and what was clicked.

Usage: make_log.py FILE (.parquet or .csv). Equal calls give equal rows.
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

START = datetime(2026, 6, 1, 10, tzinfo=UTC)
ROWS, USERS, ITEMS, SELLERS, SLOTS = 2000, 150, 40, 7, 5


def log() -> pa.Table:
    """The rows of the log: one item that was shown to one user."""
    draw = random.Random(7)
    rows = []
    for number in range(ROWS):
        item = 1 + int(ITEMS * draw.random() ** 2)
        rows.append(
            {
                "ts": START + timedelta(seconds=3600 * number // ROWS, milliseconds=draw.randrange(1000)),
                "user_id": draw.randint(1, USERS),
                "item_id": item,
                "seller_id": 1 + item % SELLERS,
                "position": number % SLOTS,
                "model": draw.choice(["control", "candidate"]),
                "score": round(draw.random(), 4),
                "clicked": draw.random() < 0.1,
            }
        )
    return pa.Table.from_pylist(rows)


if __name__ == "__main__":
    file = sys.argv[1]
    if file.endswith(".csv"):
        pyarrow.csv.write_csv(log(), file)
    else:
        pyarrow.parquet.write_table(log(), file)
