"""What an API model of AWS allows in a request, in the service's own generic texts.

The model is the one that botocore brings; SageMaker's, unless another is named. boto3 checks no
more of it than required members, types and minima before it sends a request; a client in another
language, or one that is told not to check, not even that. Patterns that Python's `re` does not
know are not checked.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seatrial.localcloud.api import AwsError, Handler

_TYPES = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "boolean": (bool,),
    "float": (int, float),
    "double": (int, float),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}


def checked(handlers: Mapping[str, Handler], *, service: str = "sagemaker") -> dict[str, Handler]:
    """The handlers, each behind a check of its request against the API model."""
    return {target: _behind_check(target, handler, service) for target, handler in handlers.items()}


def _behind_check(target: str, handler: Handler, service: str) -> Handler:
    operation_name = target.rsplit(".", 1)[-1]

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        check_request(operation_name, request, service=service)
        return handler(request)

    return answer


def check_request(
    operation_name: str, request: dict[str, Any], *, service: str = "sagemaker"
) -> None:
    """AwsError, with all that is wrong, unless the API model allows the request."""
    operation = service_model(service).operation_model(operation_name)
    broken = list(_broken(operation.input_shape, request))
    if broken:
        raise constraints_error(broken)


def constraint_text(value: object, path: str, constraint: str) -> str:
    """AWS's text for one value outside of what the model allows."""
    quoted = "null" if value is None else f"'{value}'"
    return f"Value {quoted} at '{path}' failed to satisfy constraint: {constraint}"


def constraints_error(texts: list[str], code: str = "ValidationException") -> AwsError:
    """AWS's error for them."""
    errors = "1 validation error" if len(texts) == 1 else f"{len(texts)} validation errors"
    return AwsError(code, f"{errors} detected: {'; '.join(texts)}")


@functools.cache
def service_model(name: str) -> Any:
    """botocore's model of that service."""
    from botocore.session import get_session  # 0.1 s, which a start should not wait for

    return get_session().get_service_model(name)


def _broken(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    allowed = _TYPES.get(shape.type_name)
    # bool is a kind of int to Python, and no number to JSON
    if allowed and type(value) not in allowed:
        raise AwsError(
            "SerializationException",
            f"localcloud: {path or 'the request'} is {value!r}; its type must be {shape.type_name}",
        )
    for constraint in _broken_limits(shape, value):
        yield constraint_text(value, path, constraint)
    into = _PARTS.get(shape.type_name)
    if into:
        yield from into(shape, value, path)


def _members(shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    for name, member in shape.members.items():
        where = f"{path}.{_lower(name)}" if path else _lower(name)
        if value.get(name) is not None:
            yield from _broken(member, value[name], where)
        elif name in shape.required_members:
            yield constraint_text(None, where, "Member must not be null")


def _items(shape: Any, value: list[Any], path: str) -> Iterator[str]:
    for number, item in enumerate(value, start=1):
        yield from _broken(shape.member, item, f"{path}.{number}.member")


def _entries(shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    for kind, part, entries in (("keys", shape.key, value), ("value", shape.value, value.values())):
        constraints = [text for entry in entries for text in _broken_limits(part, entry)]
        if constraints:
            text = ", ".join(dict.fromkeys(constraints))
            yield constraint_text(value, path, f"Map {kind} must satisfy constraint: [{text}]")


_PARTS: dict[str, Callable[[Any, Any, str], Iterator[str]]] = {
    "structure": _members,
    "list": _items,
    "map": _entries,
}


def _broken_limits(shape: Any, value: Any) -> Iterator[str]:
    limits = shape.metadata
    kind, size = ("value", value) if isinstance(value, int | float) else ("length", len(value))
    if size < limits.get("min", size):
        yield f"Member must have {kind} greater than or equal to {limits['min']}"
    if size > limits.get("max", size):
        yield f"Member must have {kind} less than or equal to {limits['max']}"
    if "enum" in limits and value not in limits["enum"]:
        yield f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]"
    pattern = _compiled(limits.get("pattern"))
    if pattern and isinstance(value, str) and not pattern.fullmatch(value):
        yield f"Member must satisfy regular expression pattern: {limits['pattern']}"


@functools.cache
def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern) if pattern else None
    except re.error:
        return None


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]
