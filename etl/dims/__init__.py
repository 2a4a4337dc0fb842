"""Versions of the things facts point at."""
