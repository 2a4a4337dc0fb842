"""`feed-etl doctor`: what on this machine would keep a run from working, found without starting Spark."""
