"""Personal data: keys, pseudonyms, and the list of erased people."""
