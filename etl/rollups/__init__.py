"""Facts summed by hour."""
