"""HLL sketches of people. All sketches have one precision; otherwise they cannot be merged."""

from pyspark.sql import Column
from pyspark.sql import functions as F

HLL_LG_K = 12
EMPTY_SKETCH = "0201070C030C0008"  # hex of a compact HLL sketch with lgK 12 and no entries


def empty_sketch() -> Column:
    """A sketch without entries, for rows that have engagements but no impressions (hll_sketch_agg skips NULLs)."""
    return F.unhex(F.lit(EMPTY_SKETCH))
