"""SageMaker's custom attributes, which go along with a request and come back with its answer."""

from __future__ import annotations

SYNTHETIC = "seatrial-synthetic=true"
EVENT_ID = "seatrial-event-id"


def read_attributes(text: str) -> dict[str, str]:
    """The attributes of a comma-separated list; what has no value is somebody else's.

    >>> read_attributes("seatrial-event-id=a1, other")
    {'seatrial-event-id': 'a1'}
    """
    parts = (part.strip() for part in text.split(","))
    return dict(part.partition("=")[::2] for part in parts if "=" in part)
