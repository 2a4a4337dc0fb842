"""Pure functions of DataFrames that any subject may use."""
