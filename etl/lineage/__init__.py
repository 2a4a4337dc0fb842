"""Column lineage from Spark's analyzed plans: the sources of every column, and the impact of a change."""
