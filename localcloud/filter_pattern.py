"""CloudWatch Logs filter patterns, as far as they are lists of terms."""

from __future__ import annotations

import re
from collections.abc import Callable

from seatrial.localcloud.api import AwsError

_TERM = re.compile(r'\s*(-?)(?:"((?:[^"\\]|\\.)*)"|([A-Za-z0-9_]+))(?=\s|$)')


def read_pattern(pattern: str) -> Callable[[str], bool]:
    r"""Whether a line matches: each term is in it, no term with a minus is. Case counts.

    >>> matches = read_pattern('"captureData" -synthetic')
    >>> matches('{"captureData": 1}'), matches('{"captureData": 1, "synthetic": true}')
    (True, False)
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    position = 0
    text = pattern.rstrip()
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None:
            raise AwsError(
                "InvalidParameterException",
                f"localcloud: filter pattern {pattern!r}; only terms are understood here: word, "
                '"quoted text", each with or without a minus before it',
            )
        minus, quoted, word = term.groups()
        (unwanted if minus else wanted).append(word or re.sub(r"\\(.)", r"\1", quoted))
        position = term.end()
    return lambda line: (
        all(term in line for term in wanted) and not any(term in line for term in unwanted)
    )
