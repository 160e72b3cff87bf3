"""Free TCP ports for sandboxes, from below the range that outgoing connections take theirs from."""

from __future__ import annotations

import itertools
import os
import socket

_FIRST, _COUNT = 15000, 15000
_numbers = itertools.count(os.getpid() * 101)  # so that clouds side by side start elsewhere


def free_port() -> int:
    """A port on loopback that nothing is bound to now, and that was not handed out just before."""
    for number in itertools.islice(_numbers, _COUNT):
        port = _FIRST + number % _COUNT
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port on loopback between 15000 and 29999")
