"""The pages of the house, made from contracts, suites and lineage; nothing in them is written twice."""
