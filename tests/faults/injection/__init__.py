"""Makes each file-system call of a command fail in turn: see `__main__.py`."""
