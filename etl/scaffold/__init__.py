"""Templates of the files a new table begins with."""
