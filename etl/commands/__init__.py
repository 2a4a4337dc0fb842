"""The commands of `feed-etl`, one module per group. A command parses options, makes one call and prints the result."""
