"""Delta tables. All calls of Delta's non-public API are in this package."""
