"""HLL sketches of people: one precision everywhere, or sketches do not merge."""

from pyspark.sql import Column
from pyspark.sql import functions as F

HLL_LG_K = 12
EMPTY_SKETCH = "0201070C030C0008"  # compact HLL of lgK 12 that has seen nobody


def empty_sketch() -> Column:
    """A sketch of nobody (hll_sketch_agg skips NULLs), for rows that have engagements but no impression."""
    return F.unhex(F.lit(EMPTY_SKETCH))
