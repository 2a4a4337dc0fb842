"""The feed: what viewers are shown, by which ranker, and what they do about it."""

POSITION = 1
