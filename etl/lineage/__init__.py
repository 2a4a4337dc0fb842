"""Where every column comes from, as Spark's own analyser sees it, and what a change of it would reach."""
