"""Templates for the files of a new table."""
