"""What may be asked again, and after how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

THROTTLING, NOT_READY = "ThrottlingException", "ModelNotReadyException"
# `spill`: asked again, and another endpoint could be asked at once.
Advice = Literal["spill", "retry", "halve", "final"]


@dataclass(frozen=True)
class Retries:
    """Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And
    Jitter"): before attempt n + 1 a random part of `base_s` · 2^(n-1), of `cap_s` at most.

    Throttling passes as soon as any request ends, a cold start takes seconds: hence both figures.
    """

    attempts: int = 6
    base_s: float = 0.2
    cap_s: float = 8.0

    def wait_s(self, attempts_made: int, luck: float) -> float | None:
        """Seconds until the next attempt, `luck` from 0 to 1; None if there is none left."""
        if attempts_made >= self.attempts:
            return None
        longest_s: float = self.base_s * 2 ** (attempts_made - 1)
        return luck * min(self.cap_s, longest_s)


def advise(code: str, status: int, original_status: int | None) -> Advice:
    """What to do about an error of InvokeEndpoint.

    Safe to repeat: what was turned away before a model saw it (throttling, a model that is not
    ready), and 5xx of the service or the model. A model that timed out (original status 0) is not
    asked again: it had 60 s, and would have them again. A model's error with status 200 is an
    answer that was too large to pass.
    """
    if code in (THROTTLING, NOT_READY):
        return "spill"
    if code == "ModelError":
        if original_status == 200:
            return "halve"
        return "retry" if original_status is not None and original_status >= 500 else "final"
    return "retry" if status >= 500 else "final"
