"""How an endpoint is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from seatrial.client.retries import Retries

# An invocation may take 60 s, and its answer has to come back too.
READ_TIMEOUT_S = 70.0
CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Options:
    """The same for every request of a client.

    `accept` None: answers come as `content_type`. `deadline_s` is for all attempts and parts of a
    request together, with the waits between them. `synthetic` requests are our own traffic: they
    are left out of monitoring.
    """

    content_type: str = "text/csv"
    accept: str | None = None
    synthetic: bool = False
    deadline_s: float = 150.0
    read_timeout_s: float = READ_TIMEOUT_S
    retries: Retries = field(default_factory=Retries)
