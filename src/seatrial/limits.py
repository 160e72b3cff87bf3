"""What the service allows, from configs/limits.yaml, each with source and date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from math import floor

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


THREADS_VARIABLE = "SEATRIAL_THREADS"  # seatrial's own server reads it


def tier_threads(memory_size_mb: float, mb_per_vcpu: float) -> int:
    """The threads that a server should compute with at a tier: its share of CPUs, rounded.

    With more threads than CPUs the quota is used up by threads that wait for one another:
    `benchmarks/profiling.py --only threads`.

    >>> [tier_threads(mb, 1769) for mb in (1024, 2653, 2654, 6144)]
    [1, 1, 2, 3]
    """
    return max(1, floor(memory_size_mb / mb_per_vcpu + 0.5))


def tier_environment(memory_size_mb: int, given: Mapping[str, str]) -> dict[str, str]:
    """The container's variables at a tier; the user's own, `given`, come first."""
    threads = tier_threads(memory_size_mb, load_limits().mb_per_vcpu.value)
    return {THREADS_VARIABLE: str(threads), **given}
