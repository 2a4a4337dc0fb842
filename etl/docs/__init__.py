"""Generates the documentation pages of all tables from contracts, suites and lineage."""
