"""A simulator of a social feed that also writes the truth: the rows that a correct pipeline must compute.

`simulate` writes landing files like the ingest gateway. The modules world (accounts, posts and rankers), serving,
watching, reactions, sharing and change_log create the records. delivery makes some late, duplicate and out of order.
bad_records breaks a few. truth collects the expected results. Equal scenarios give equal bytes.
"""

from etl.subjects.feed.simulate.feed import TruthSummary, simulate, simulate_scenario
from etl.subjects.feed.simulate.scenario import Scenario

__all__ = ["Scenario", "TruthSummary", "simulate", "simulate_scenario"]
