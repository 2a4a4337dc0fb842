"""Helpers that tests share.

Test processes of `make test` have no main file. pyspark.sql.connect would take them for its own doctests and exit.
"""

import sys

_main = sys.modules["__main__"]
if not hasattr(_main, "__file__"):
    _main.__file__ = __file__
