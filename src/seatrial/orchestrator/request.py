"""What the handler is asked, as JSON.

Fan out:

    {"deadline_s": 5, "body": "4.0,719\\n",
     "calls": [{"name": "late", "endpoint": "flights"},
               {"name": "price", "endpoint": "fares", "deadline_s": 1,
                "content_type": "application/json", "body": "{...}"}]}

Or classify first, and let the answer choose the calls:

    {"body": "a text", "content_type": "text/plain",
     "classify": {"name": "language", "endpoint": "languages"},
     "routes": {"de": [{"name": "topic", "endpoint": "topics-de"}], "en": [...]},
     "otherwise": [...]}

A call without a body, content type or deadline has the request's. Bytes go as `body_base64`. The
label is the classifier's answer if it is text, the first cell of a CSV, or of JSON the value at
`label` (a path as "predictions.0.label").
"""

from __future__ import annotations

import base64
import binascii
import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.client.bodies import CSV, Body
from seatrial.errors import InputError

DEFAULT_DEADLINE_S = 25.0  # API Gateway waits for 29 s
MAX_CALLS = 20


@dataclass(frozen=True)
class EndpointCall:
    """One question to one endpoint."""

    name: str
    endpoint: str
    body: str | bytes
    content_type: str
    accept: str | None
    deadline_s: float


@dataclass(frozen=True)
class FanOut:
    """The calls to make; with `classify`, those of the route that its answer names."""

    deadline_s: float
    calls: tuple[EndpointCall, ...]
    classify: EndpointCall | None
    label: str | None
    routes: Mapping[str, tuple[EndpointCall, ...]]


_SHARED = {"body", "body_base64", "content_type", "accept", "deadline_s"}
_CALL = {*_SHARED, "name", "endpoint"}
_TOP = {*_SHARED, "calls", "classify", "label", "routes", "otherwise"}


def parse_request(event: Any) -> FanOut:
    """The request in an event; InputError for what is not one."""
    top = _known(event, _TOP, "the event")
    chained = "classify" in top
    if chained == bool(top.get("calls")) or (chained and not isinstance(top.get("routes"), dict)):
        raise _wrong("the event", sorted(top), "calls, or classify with routes")
    deadline_s = _seconds(top.get("deadline_s", DEFAULT_DEADLINE_S))
    return FanOut(
        deadline_s=deadline_s,
        calls=_calls(top.get("otherwise" if chained else "calls", []), top),
        classify=_call(top["classify"], top) if chained else None,
        label=top.get("label"),
        routes={name: _calls(value, top) for name, value in top.get("routes", {}).items()},
    )


def label_of(answer: Body, path: str | None) -> str:
    """The classifier's label; InputError if its answer has none."""
    try:
        text = answer.content.decode("utf-8")
        if path is not None:
            value = json.loads(text)
            for step in path.split("."):
                value = value[int(step) if isinstance(value, list) else step]
            return str(value)
        if answer.kind == CSV:
            return str(next(csv.reader([text]))[0])
        return text.strip()
    except (ValueError, KeyError, IndexError, TypeError, StopIteration) as error:
        raise InputError(
            "the classifier's answer has no label",
            got=f"{answer.content[:200]!r} ({type(error).__name__}: {error})",
            allowed="text, CSV, or JSON with `label` as its path",
            do="Correct `label` in the event",
        ) from error


def _calls(values: Any, top: Mapping[str, Any]) -> tuple[EndpointCall, ...]:
    if not isinstance(values, list) or len(values) > MAX_CALLS:
        raise _wrong("the calls", values, f"a list of at most {MAX_CALLS}")
    calls = tuple(_call(value, top) for value in values)
    names = [call.name for call in calls]
    if len(set(names)) != len(names):
        raise _wrong("the names of the calls", names, "a name of its own for each")
    return calls


def _call(value: Any, top: Mapping[str, Any]) -> EndpointCall:
    given = _known(value, _CALL, "a call")
    own = {name: item for name, item in top.items() if name in _SHARED}
    if "body" in given or "body_base64" in given:
        own.pop("body", None)
        own.pop("body_base64", None)
    found = {**own, **given}
    for name in ("name", "endpoint"):
        if not isinstance(found.get(name), str) or not found[name]:
            raise _wrong(f"a call's {name}", found.get(name), "a text")
    return EndpointCall(
        name=found["name"],
        endpoint=found["endpoint"],
        body=_body(found),
        content_type=found.get("content_type", CSV),
        accept=found.get("accept"),
        deadline_s=_seconds(found.get("deadline_s", DEFAULT_DEADLINE_S)),
    )


def _body(call: Mapping[str, Any]) -> str | bytes:
    given = [name for name in ("body", "body_base64") if name in call]
    if len(given) != 1 or not isinstance(call[given[0]], str):
        raise _wrong(f"the body of {call['name']}", given, "body or body_base64, as text")
    if given == ["body"]:
        return str(call["body"])
    try:
        return base64.b64decode(call["body_base64"], validate=True)
    except binascii.Error as error:
        raise _wrong(f"the body of {call['name']}", str(error), "base64") from error


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 900:
        raise _wrong("deadline_s", value, "over 0, up to 900, as long as a function may run")
    return float(value)


def _known(value: Any, names: set[str], where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, value, "a JSON object")
    if unknown := set(value) - names:
        raise _wrong(f"the keys of {where}", sorted(unknown), ", ".join(sorted(names)))
    return value


def _wrong(what: str, got: object, allowed: str) -> InputError:
    return InputError(
        f"{what} cannot be used", got=got, allowed=allowed, do="See seatrial.orchestrator.request"
    )
