"""What happened, one row each."""
