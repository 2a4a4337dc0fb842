"""What several subjects use. It lands no events."""

POSITION = 0
