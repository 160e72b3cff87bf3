"""What is outside of a trial."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seatrial.config import Config

Say = Callable[[str], None]


@dataclass(frozen=True)
class Surroundings:
    """What is outside of the trial: AWS, the clock, and who listens."""

    config: Config
    clients: Mapping[str, Any]
    say: Say
    run_id: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep

    @property
    def prefix(self) -> str:
        """What the names of all trial endpoints of this project begin with."""
        return f"{self.config.project[:30]}-trial-"
