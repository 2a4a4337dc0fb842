"""Read-only SQL over the tables of a lake, and its rows as printable values."""
