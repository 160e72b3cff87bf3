"""What a stack's resource is once it is there, and what making one needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Properties = dict[str, Any]
MakeClient = Callable[[str], Any]


@dataclass(frozen=True)
class Made:
    """A resource that is there: what Ref gives, and what GetAtt gives."""

    physical_id: str
    attributes: dict[str, str] = field(default_factory=dict)


class AlreadyExistsError(Exception):
    """A new resource has the name of one that the stack did not make."""
