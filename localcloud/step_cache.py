"""Results of earlier steps that may be used again.

Key and scope: https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

_KEY_FIELDS = ("AppSpecification", "Environment", "ProcessingInputs")


@dataclass(frozen=True)
class CachedStep:
    """A step that succeeded: when, in which execution, and its properties."""

    finished_at: float
    execution_arn: str
    properties: dict[str, Any]


class StepCache:
    """The last success of each step of one pipeline, by what went into it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[str, CachedStep] = {}

    def find(self, key: str, *, max_age: timedelta | None, now: float) -> CachedStep | None:
        """The last success under `key`, unless it is older than `max_age`."""
        with self._lock:
            step = self._steps.get(key)
        if step is None or (max_age and now - step.finished_at > max_age.total_seconds()):
            return None
        return step

    def keep(self, key: str, step: CachedStep) -> None:
        """Remember a success, in place of an earlier one."""
        with self._lock:
            self._steps[key] = step


def cache_key(step: str, request: dict[str, Any]) -> str:
    """What must be the same for a Processing step's result to be used again.

    Outputs and ProcessingResources are not part of it.
    """
    parts = {name: request.get(name) for name in _KEY_FIELDS}
    text = json.dumps([step, parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
