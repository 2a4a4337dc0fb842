"""Benchmarks: one generated hour, ours and the peers, their results checked equal before any time is reported."""
