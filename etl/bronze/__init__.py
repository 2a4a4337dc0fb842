"""Landed records, typed, as they came."""
