"""An endpoint that fits, as a review sees it; tests change what they are about."""

from __future__ import annotations

from typing import Any

from seatrial.config import load_config
from seatrial.contracts.review import Advice, PackageScan, Usage
from seatrial.limits import load_limits
from seatrial.review.advice import advise
from seatrial.review.situation import Serving, Situation

USAGE = Usage(
    requests=900_000,
    errors_4xx=0,
    errors_5xx=0,
    latency_mean_ms=40,
    latency_p95_ms=80,
    cold_starts=900,
    setup_mean_s=2,
    setup_max_s=5,
    memory_max_percent=60,
    concurrency_max_ratio=0.4,
    model_age_days=10,
    image_age_days=10,
    vulnerabilities={},
    packages=PackageScan(packages=7, advisories=(), unknown=None),
    windows=12,
    alerting_windows=1,
    ailments={"drift": 1},
)


def situation(
    usage: dict[str, Any] | None = None, serving: dict[str, Any] | None = None, **changes: Any
) -> Situation:
    fields = {
        "memory_size_mb": 2048,
        "max_concurrency": 4,
        "provisioned_concurrency": None,
        "quota_mb": 3072,
        "quota_concurrency": 10,
        **(serving or {}),
    }
    return Situation(
        **{
            "usage": USAGE.model_copy(update=usage or {}),
            "serving": Serving(**fields),
            "config": load_config(),
            "limits": load_limits(),
            "days": 90,
            "served_days": 90.0,
            "usd_per_gb_second": 0.00002,
            "realtime": ("ml.c5.large", 100.0),
            **changes,
        }
    )


def advice(topic: str, found: Situation) -> Advice:
    return next(item for item in advise(found) if item.topic == topic)
