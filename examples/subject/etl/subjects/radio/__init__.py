"""Radio: which stations people listen to."""

POSITION = 3
