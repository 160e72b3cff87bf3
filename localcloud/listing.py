"""One page of a List call: sorted, cut at MaxResults, with a NextToken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seatrial.localcloud.api import validation_error

MAX_PAGE = 100


def page(
    summaries: Sequence[dict[str, Any]],
    request: dict[str, Any],
    key: str,
    *,
    sort_by: str,
    default_order: str = "Descending",
) -> dict[str, Any]:
    """The answer `{key: […], NextToken}` with the summaries in order of their field `sort_by`.

    Equal ones keep the order in which they were made, reversed when descending.
    """
    descending = request.get("SortOrder", default_order) == "Descending"
    ordered = sorted(summaries, key=lambda summary: summary[sort_by])
    if descending:
        ordered.reverse()
    start, size = _position(request.get("NextToken")), request.get("MaxResults", MAX_PAGE)
    answer: dict[str, Any] = {key: ordered[start : start + size]}
    if start + size < len(ordered):
        answer["NextToken"] = str(start + size)
    return answer


def created_within(created_at: float, request: dict[str, Any], after: str, before: str) -> bool:
    """True if the time is within the request's optional bounds of those names."""
    earliest, latest = request.get(after), request.get(before)
    return (earliest is None or created_at > earliest) and (latest is None or created_at < latest)


def _position(token: str | None) -> int:
    if token is None:
        return 0
    if not token.isdecimal():
        raise validation_error(f"{token!r} is not a NextToken; take the one of the page before")
    return int(token)
