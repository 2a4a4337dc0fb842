"""Ads: what is shown, clicked and bought, and what it costs whom."""

POSITION = 2
