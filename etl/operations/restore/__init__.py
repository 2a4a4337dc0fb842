"""Restores a lake, or some of its tables, to one consistent point: see docs/backup.md."""
