"""AWS's Query protocol: a form comes in, XML goes out."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from seatrial.localcloud.moto_bridge import HttpAnswer

_XML = (("content-type", "text/xml"),)


def read_form(body: bytes) -> dict[str, Any]:
    """The form's fields; `A.member.1.B=c` is {"A": [{"B": "c"}]}."""
    fields: dict[str, Any] = {}
    for name, value in parse_qsl(body.decode(), keep_blank_values=True):
        place = fields
        *path, last = name.replace(".member.", ".#").split(".")
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return {name: _with_lists(value) for name, value in fields.items()}


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(name.startswith("#") for name in value):
        return [_with_lists(value[name]) for name in sorted(value, key=lambda name: int(name[1:]))]
    return {name: _with_lists(item) for name, item in value.items()}


def xml_answer(action: str, result: dict[str, Any], request_id: str) -> HttpAnswer:
    """`result` as `action`'s answer."""
    body = (
        f"<{action}Response><{action}Result>{_as_xml(result)}</{action}Result>"
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        f"</{action}Response>"
    )
    return HttpAnswer(200, _XML, body.encode())


def xml_error(code: str, message: str, status: int, request_id: str) -> HttpAnswer:
    """An error in this protocol's shape."""
    error = _as_xml({"Type": "Sender", "Code": code, "Message": message})
    body = f"<ErrorResponse><Error>{error}</Error><RequestId>{request_id}</RequestId>"
    return HttpAnswer(status, _XML, f"{body}</ErrorResponse>".encode())


def _as_xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(
            f"<{name}>{_as_xml(item)}</{name}>" for name, item in value.items() if item is not None
        )
    if isinstance(value, list | tuple):
        return "".join(f"<member>{_as_xml(item)}</member>" for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return escape(str(value))
