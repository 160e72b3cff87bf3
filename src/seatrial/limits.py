"""What the service allows, from configs/limits.yaml, each with source and date."""

from __future__ import annotations

from datetime import date
from functools import cache
from importlib.resources import files

import yaml

from seatrial.contracts import Contract, Part


class Limit(Part):
    """One figure; its key in the file carries the unit."""

    value: float
    source: str
    date: date


class Tiers(Part):
    """The memory sizes that can be asked for."""

    value: tuple[int, ...]
    source: str
    date: date


class Limits(Contract):
    """The service's limits, and a new account's quotas."""

    memory_tiers_mb: Tiers
    max_concurrency: Limit
    payload_mb: Limit
    invocation_s: Limit
    startup_s: Limit
    image_mb: Limit
    disk_mb: Limit
    assumed_memory_size_mb: Limit
    assumed_total_concurrency: Limit
    assumed_endpoints: Limit
    mb_per_vcpu: Limit


@cache
def load_limits() -> Limits:
    """The limits that come with the package."""
    text = (files("seatrial.configs") / "limits.yaml").read_text(encoding="utf-8")
    return Limits.model_validate(yaml.safe_load(text))
