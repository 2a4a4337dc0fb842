"""Ads: impressions, clicks, conversions, and the spend of advertisers."""

POSITION = 2
