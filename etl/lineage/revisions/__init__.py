"""Compares the tables of two revisions of this repository: what changed, and what reads it."""
