"""Ads simulated to the byte, with the truth a pipeline must find in them.

world makes advertisers, campaigns and ads, and edits them; traffic makes sessions, impressions, clicks and conversions;
delivery makes them late and repeated and writes what lands; truth counts along, in plain Python.
"""

from etl.subjects.ads.simulate.run import simulate, simulate_ads
from etl.subjects.ads.simulate.scenario import AdsScenario

__all__ = ["AdsScenario", "simulate", "simulate_ads"]
