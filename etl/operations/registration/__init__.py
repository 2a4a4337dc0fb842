"""Registers the tables of a lake in Spark's catalog, so that other programs find them by name."""
