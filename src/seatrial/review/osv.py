"""OSV's answers, as far as they are read, and how they are asked for.

Other fields are left out: https://ossf.github.io/osv-schema/.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar
from urllib.request import Request, urlopen

from pydantic import BaseModel

MAX_ANSWER_BYTES = 32 * 2**20  # what the API itself answers at most
TIMEOUT_S = 20


class Listed(BaseModel):
    """One that a batch query found."""

    id: str


class Result(BaseModel):
    """One package of a batch, or one page of it."""

    vulns: list[Listed] = []
    next_page_token: str | None = None


class Batch(BaseModel):
    """The answer to a batch query: results in the order of the queries."""

    results: list[Result]


class Event(BaseModel):
    """Where a range of versions begins or ends."""

    fixed: str | None = None


class Range(BaseModel):
    """Versions, or commits, that are affected."""

    type: str
    events: list[Event] = []


class Package(BaseModel):
    """What it is called, and where."""

    name: str
    ecosystem: str


class Affected(BaseModel):
    """One package that a record is about."""

    package: Package | None = None
    ranges: list[Range] = []


class Record(BaseModel):
    """A vulnerability as one database has it."""

    id: str
    aliases: list[str] = []
    summary: str = ""
    withdrawn: str | None = None
    affected: list[Affected] = []
    database_specific: dict[str, Any] | None = None


AnswerType = TypeVar("AnswerType", bound=BaseModel)


def ask(kind: type[AnswerType], url: str, queries: list[Any] | None = None) -> AnswerType:
    """The answer of that address; OSError, HTTPException or ValueError if there is none."""
    body = None if queries is None else json.dumps({"queries": queries}).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    request = Request(url, data=body, headers=headers)  # noqa: S310 - the configuration allows http(s) only
    with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        text: bytes = answer.read(MAX_ANSWER_BYTES + 1)
    if len(text) > MAX_ANSWER_BYTES:
        raise ValueError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    return kind.model_validate_json(text)
