"""A simulator of ads that also writes the truth: the rows that a correct pipeline must compute.

The module world creates and edits advertisers, campaigns and ads. traffic creates sessions, impressions, clicks and
conversions. run delivers them, some late-arriving or duplicate, and writes landing files. truth computes the expected
rows in plain Python. Equal scenarios give equal bytes.
"""

from etl.subjects.ads.simulate.run import simulate, simulate_ads
from etl.subjects.ads.simulate.scenario import AdsScenario

__all__ = ["AdsScenario", "simulate", "simulate_ads"]
