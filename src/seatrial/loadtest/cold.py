"""Which requests found no warm sandbox: by the endpoint's records, else by CloudWatch's count."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from seatrial.aws import explained
from seatrial.loadtest.requests import Request

LOG_GROUP = "/aws/sagemaker/Endpoints/"


@dataclass(frozen=True)
class ColdRequests:
    """The requests, by their place in the log, and how they were told."""

    numbers: frozenset[int]
    told_by: Literal["records", "setups", "nothing"]


def cold_requests(
    requests: Sequence[Request], cold_ids: Collection[str], setups: int
) -> ColdRequests:
    """Those whose record says so. Where there are no records, as many of the slowest answers as
    CloudWatch counted setups: an estimate.

    A provisioned sandbox marks its first request too, which waited for nothing: of more marks than
    setups, the slowest count.
    """
    answered = [number for number, item in enumerate(requests) if item.error is None]
    marked = [number for number in answered if requests[number].event_id in cold_ids]
    slowest_first = sorted(marked or answered, key=lambda number: -requests[number].latency_s)
    if marked:
        kept = slowest_first if setups == 0 else slowest_first[:setups]
        return ColdRequests(frozenset(kept), "records")
    if setups:
        return ColdRequests(frozenset(slowest_first[:setups]), "setups")
    return ColdRequests(frozenset(), "nothing")


def recorded_cold(logs: Any, endpoint_name: str, since: datetime) -> set[str]:
    """Event ids of the records that are marked cold; none if the endpoint writes no records.

    A record that is too long for one line is in parts, whose mark cannot be read here.
    """
    found: set[str] = set()
    with explained(f"the log of {endpoint_name}", do="Allow logs:FilterLogEvents"):
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=LOG_GROUP + endpoint_name,
            startTime=int(1000 * since.timestamp()),
            filterPattern="{ $.seatrial.cold IS TRUE }",
        )
        for page in pages:
            for event in page["events"]:
                found |= _cold_id(event["message"])
    return found


def _cold_id(message: str) -> set[str]:
    try:
        record = json.loads(message)
        return {record["eventMetadata"]["eventId"]} if record["seatrial"]["cold"] is True else set()
    except (ValueError, KeyError, TypeError):  # a line of somebody else's
        return set()
