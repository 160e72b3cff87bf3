"""All calls at once, what has arrived in time, and why the rest has not."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from seatrial.client.bodies import Body
from seatrial.client.exchange import Prediction
from seatrial.client.options import Options
from seatrial.client.synchronous import InferenceClient
from seatrial.errors import DeadlineError, InputError, InvocationError, SeatrialError
from seatrial.orchestrator.request import EndpointCall, FanOut, label_of

Ask = Callable[[EndpointCall], Prediction]
Clock = Callable[[], float]


def answer(request: FanOut, ask: Ask, clock: Clock = time.monotonic) -> dict[str, Any]:
    """The response: `answers` by name, `missing` by name with its reason, and the `route`."""
    until = clock() + request.deadline_s
    if request.classify is None:
        return _response(_ask_all(request.calls, ask, until, clock))
    name = request.classify.name
    first = _ask_all([request.classify], ask, until, clock)
    found = first[name]
    if not isinstance(found, Prediction):
        return _response(first)
    try:
        route = label_of(Body(found.body, found.content_type), request.label)
    except InputError as error:
        return _response({name: error})
    calls = request.routes.get(route, request.calls)
    return {"route": route, **_response({**first, **_ask_all(calls, ask, until, clock)})}


def asking(runtime: Any) -> Ask:
    """Asks with a client that all calls share; its retries stay within the call's deadline."""

    def ask(call: EndpointCall) -> Prediction:
        options = Options(call.content_type, call.accept, deadline_s=call.deadline_s)
        return InferenceClient(call.endpoint, options, runtime=runtime).predict(call.body)

    return ask


def _ask_all(
    calls: Sequence[EndpointCall], ask: Ask, until: float, clock: Clock
) -> dict[str, Prediction | Exception]:
    """What came of each call; one that is not over in time is left to itself."""
    found: dict[str, Prediction | Exception] = {}

    def run(call: EndpointCall) -> None:
        try:
            found[call.name] = ask(call)
        except Exception as error:  # it is one call's reason, and the others' answers count
            found[call.name] = error

    threads = []
    for call in calls:
        left_s = max(0.001, min(call.deadline_s, until - clock()))
        thread = threading.Thread(target=run, args=(replace(call, deadline_s=left_s),), daemon=True)
        threads.append((call, thread, left_s))
        thread.start()
    started = clock()
    for _, thread, left_s in threads:
        # The client keeps the deadline itself; a little more lets it say why it was late.
        thread.join(max(0.0, started + left_s + 0.1 - clock()))
    return {call.name: found.get(call.name, _late(call)) for call in calls}


def _late(call: EndpointCall) -> DeadlineError:
    return DeadlineError(
        f"{call.endpoint} gave no prediction",
        code="Deadline",
        spill=False,
        got="no answer yet",
        allowed=f"{call.deadline_s:g} s",
        do="Give it more time",
    )


def _response(found: dict[str, Prediction | Exception]) -> dict[str, Any]:
    return {
        "answers": {
            name: _told(item) for name, item in found.items() if isinstance(item, Prediction)
        },
        "missing": {
            name: {"reason": reason_of(item), "detail": str(item)[:500]}
            for name, item in found.items()
            if isinstance(item, Exception)
        },
    }


def _told(found: Prediction) -> dict[str, Any]:
    """The answer as JSON: text as text, anything else in base64."""
    try:
        body = {"body": found.body.decode("utf-8")}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(found.body).decode("ascii")}
    return {
        **body,
        "content_type": found.content_type,
        "event_ids": [event.event_id for event in found.events],
        "attempts": found.attempts,
    }


def reason_of(error: Exception) -> str:
    """One word for why an answer is missing: for a caller's `if`, and for a metric."""
    if isinstance(error, DeadlineError):
        return "deadline"
    if isinstance(error, InvocationError):
        return "busy" if error.spill else "refused"
    return "request" if isinstance(error, SeatrialError) else "failed"
