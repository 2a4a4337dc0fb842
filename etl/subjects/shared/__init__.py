"""Columns and tables that several subjects use. This folder has no events."""

POSITION = 0
