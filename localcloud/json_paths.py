"""Find a value in a JSON document by a path: `$.checks[0].code` or `Outputs['data'].S3Uri`."""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(r"""\.?([^.\[\]'"\s]+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]""")
_NAMES = ("OutputName", "InputName")


class PathError(LookupError):
    """There is nothing at that path; the text says how far it led."""


def find(document: Any, path: str) -> Any:
    """The value at `path`, whose leading `$` may be left out.

    A name in brackets after a list picks the element with that OutputName or InputName, which is
    how the SageMaker SDK writes `Outputs["data"]`.

    >>> find({"a": [{"b": 7}]}, "$.a[0].b")
    7
    """
    value = document
    for token in _tokens(path):
        value = _step_into(value, token, path)
    return value


def _tokens(path: str) -> list[str | int]:
    text = path.removeprefix("$")
    tokens: list[str | int] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise PathError(f"{path!r} is not a path of names, [number] and ['name']")
        name, index, single, double = match.groups()
        tokens.append(int(index) if index is not None else name or single or double or "")
        position = match.end()
    return tokens


def _step_into(value: Any, token: str | int, path: str) -> Any:
    if isinstance(value, dict) and token in value:
        return value[token]
    if isinstance(value, list):
        if isinstance(token, int) and token < len(value):
            return value[token]
        for item in value:
            if isinstance(item, dict) and token in (item.get(name) for name in _NAMES):
                return item
    raise PathError(f"there is no {token!r} of {path!r}; {_choice(value)}")


def _choice(value: Any) -> str:
    if isinstance(value, dict):
        return f"there are {', '.join(map(repr, value)) or 'no names'}"
    if isinstance(value, list):
        return f"there are {len(value)} elements"
    return f"the path has led to {value!r}"
