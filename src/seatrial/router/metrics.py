"""Every decision, counted; also as CloudWatch's embedded metric format."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from seatrial.router.policy import Reason

NAMESPACE = "Seatrial/Router"
Outcome = Literal["answered", "turned away", "failed"]


@dataclass(frozen=True)
class Decision:
    """That a request of a route was sent to a target, why, and what came of it."""

    route: str
    target: str
    reason: Reason
    outcome: Outcome


class Metrics:
    """Counts decisions since the start, and those that have not been told yet."""

    def __init__(self) -> None:
        self._counts: Counter[Decision] = Counter()
        self._untold: Counter[Decision] = Counter()
        self._lock = threading.Lock()

    def count(self, decision: Decision) -> None:
        """One more."""
        with self._lock:
            self._counts[decision] += 1
            self._untold[decision] += 1

    @property
    def counts(self) -> Counter[Decision]:
        """All of them, as they are now."""
        with self._lock:
            return Counter(self._counts)

    def emf_lines(self, now_s: float) -> Iterator[str]:
        """What was counted since the last call, a line for each decision: print them on Lambda, or
        give them to the CloudWatch agent, and CloudWatch has the metric `Requests`.

        Format: CloudWatch User Guide, "Specification: Embedded metric format". `now_s` is epoch.
        """
        with self._lock:
            untold, self._untold = self._untold, Counter()
        names = ["Route", "Target", "Reason", "Outcome"]
        described = {
            "Namespace": NAMESPACE,
            "Dimensions": [names],
            "Metrics": [{"Name": "Requests", "Unit": "Count"}],
        }
        for item, count in untold.items():
            values = (item.route, item.target, item.reason, item.outcome)
            yield json.dumps(
                {
                    "_aws": {"Timestamp": int(1000 * now_s), "CloudWatchMetrics": [described]},
                    **dict(zip(names, values, strict=True)),
                    "Requests": count,
                }
            )
