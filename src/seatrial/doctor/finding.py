"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Condition = Literal["works", "limited", "missing"]


@dataclass(frozen=True)
class Finding:
    """`limited`: it works, at a cost that `means` tells; `missing`: what `means` names fails."""

    name: str
    condition: Condition
    seen: str
    means: str = ""
