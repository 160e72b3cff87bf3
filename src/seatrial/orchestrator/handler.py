"""An AWS Lambda function that asks several endpoints in one request.

The event is described in request.py. Response: `answers` by name (`body` or `body_base64`,
`content_type`, `event_ids`, `attempts`), `missing` by name (`reason`: deadline, busy, refused,
request or failed; `detail`), and the `route` that a classifier chose. The function ends a second
before its own timeout, with what has arrived by then. An event that cannot be used is an error.

Lambda passes 6 MB each way, so answers of several MB are not for it.

`seatrial fanout --zip fanout.zip` writes its code (this package and the client; botocore is part of
Lambda's Python), and infra/fanout.yaml beside it: a stack of the function, its role and its log.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from seatrial.client.options import Options
from seatrial.client.transport import make_runtime
from seatrial.orchestrator.fanout import answer, asking
from seatrial.orchestrator.request import MAX_CALLS, parse_request

_BEFORE_THE_END_S = 1.0


@cache
def _runtime() -> Any:
    """One for all events that this function instance gets."""
    return make_runtime(Options(), region=None, connections=2 * MAX_CALLS)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Lambda's entry point; `context` None: there is no function whose time could be over."""
    request = parse_request(event)
    if context is not None:
        left_s = context.get_remaining_time_in_millis() / 1000 - _BEFORE_THE_END_S
        request = replace(request, deadline_s=max(0.001, min(request.deadline_s, left_s)))
    return answer(request, asking(_runtime()))
