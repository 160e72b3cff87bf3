"""When a model package was approved, as far as its events and the registry say.

The service may send several events for one approval, late and in any order, and more when an
approved package is edited. The package itself is read again while the lease is held.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from seatrial.errors import InputError

# The default of the pipeline's parameter: a person started it, and means now.
BY_HAND = "now"


def read_approved_at(text: str) -> datetime | None:
    """The time of an approval event, `2026-11-24T10:00:00Z`; None for one started by hand."""
    if text == BY_HAND:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
    except ValueError as error:
        raise InputError(
            "cannot read the time of the approval",
            got=text,
            allowed=f"an ISO 8601 time with its zone, or {BY_HAND!r}",
            do="Pass the event's time on as it is",
        ) from error
    return moment.astimezone(UTC)


def approval_time(event_time: datetime | None, package: dict[str, Any], now: datetime) -> datetime:
    """When the package was approved; `event_time` None: someone asks for it now.

    An event's time has whole seconds, and a second event for the same approval has a later one. The
    approval is no later than the package's last change, which has milliseconds.
    """
    if event_time is None:
        return now
    latest = event_time + timedelta(seconds=1) - timedelta(microseconds=1)
    changed: datetime = package.get("LastModifiedTime") or latest
    return min(latest, changed.astimezone(UTC))
