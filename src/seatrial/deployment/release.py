"""What is to be deployed, and what it takes to see that it is what was profiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from seatrial.contracts import Payload
from seatrial.deployment.target import Target
from seatrial.deployment.warming import Kept

if TYPE_CHECKING:
    from seatrial.serving.model import Model


@dataclass(frozen=True)
class Release:
    """A target, and what it takes to see that it is what was profiled.

    `event_time` is that of the approval's event, None if a person asks for it now. `publish` puts
    archive and baseline where the target says.
    """

    target: Target
    payloads: Sequence[Payload]
    model: Model
    event_time: datetime | None
    publish: Callable[[], None]

    @property
    def kept(self) -> Kept:
        """What of it is kept warm."""
        return kept(self.target, self.payloads)


def kept(target: Target, payloads: Sequence[Payload]) -> Kept:
    """What of that target is kept warm, by the requests that the payloads are."""
    requests = [(item.content_type, item.body) for item in payloads]
    return Kept(target.endpoint_name, target.variant_name, target.serving, requests)
