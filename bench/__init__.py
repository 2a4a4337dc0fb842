"""Benchmarks: feed-etl and its peers process the same generated hours. Times count only when the results are equal."""
