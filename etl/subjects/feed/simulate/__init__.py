"""A social feed simulated to the byte, with the truth a pipeline must find in it.

`simulate` writes landing files as the ingest gateway leaves them. World (who and what exists), serving,
watching, reactions, sharing and change_log make the records; delivery makes them late, repeated and out of
order, bad_records breaks a few; truth counts along.
"""

from etl.subjects.feed.simulate.feed import TruthSummary, simulate, simulate_scenario
from etl.subjects.feed.simulate.scenario import Scenario

__all__ = ["Scenario", "TruthSummary", "simulate", "simulate_scenario"]
