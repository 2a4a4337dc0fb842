"""Every file-system call of a command failing in turn: see `__main__.py`."""
