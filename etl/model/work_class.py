"""The classes of tables by which a run works when many hours wait."""

from enum import IntEnum


class WorkClass(IntEnum):
    """What a table is for, the most urgent first. With a backlog, a class comes before all later ones.

    What a table reads is made before it, whatever its class.
    """

    BILLING = 1
    ATTRIBUTION = 2
    ROLLUPS = 3
    MARTS = 4
    REPORTS = 5

    @property
    def is_critical(self) -> bool:
        """Whether `feed-etl run --only-critical` makes tables of this class."""
        return self <= WorkClass.ROLLUPS
