"""What tests share.

The processes of `make test` have no main file: pyspark.sql.connect takes them for its own doctests and ends them.
"""

import sys

_main = sys.modules["__main__"]
if not hasattr(_main, "__file__"):
    _main.__file__ = __file__
