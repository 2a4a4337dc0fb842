"""The commands of `feed-etl`, a module per group. Each stays thin: parameters in, one call, print what came back."""
