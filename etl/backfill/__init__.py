"""Hours rebuilt on purpose: planned, declared, staged beside the live ones, compared, then switched over."""
