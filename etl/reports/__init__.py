"""What people are told about the lake: the data-quality report of each owner, by mail."""
