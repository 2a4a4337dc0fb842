"""The feed: the posts that viewers see, the ranking models that choose them, and how viewers react."""

POSITION = 1
