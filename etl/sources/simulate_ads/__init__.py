"""Ads simulated to the byte, with the truth a pipeline must find in them.

world makes advertisers, campaigns and ads, and edits them; traffic makes sessions, impressions, clicks and conversions;
delivery makes them late and repeated and writes what lands; truth counts along, in plain Python.
"""

from etl.sources.simulate_ads.run import simulate_ads
from etl.sources.simulate_ads.scenario import AdsScenario

__all__ = ["AdsScenario", "simulate_ads"]
