"""Settled truth by day."""
