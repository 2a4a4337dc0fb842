"""Free ports of the loopback interface, for servers of tests and demos."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
