"""The checks. Each yields one Check per thing it looked at; codes never change their meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seatrial.contracts import Check
from seatrial.readiness.baseline_match import baseline_match
from seatrial.readiness.behaviour import (
    early_ready,
    listening_ports,
    network,
    shared_memory,
    workers,
    writes,
)
from seatrial.readiness.capacity import concurrency
from seatrial.readiness.costs import cost_objective, realtime_cheaper
from seatrial.readiness.facts import Facts
from seatrial.readiness.features import features
from seatrial.readiness.memory import leak, memory, over_provisioned
from seatrial.readiness.monitoring_plan import monitoring
from seatrial.readiness.safety import quality, unsafe_artifact
from seatrial.readiness.setting import Setting
from seatrial.readiness.sizes import disk, image, payloads
from seatrial.readiness.times import cold_start, latency

Rule = Callable[[Facts, Setting], Iterator[Check]]

RULES: tuple[Rule, ...] = (
    memory,
    leak,
    over_provisioned,
    concurrency,
    payloads,
    latency,
    cold_start,
    image,
    disk,
    workers,
    writes,
    shared_memory,
    network,
    early_ready,
    listening_ports,
    quality,
    unsafe_artifact,
    features,
    monitoring,
    baseline_match,
    cost_objective,
    realtime_cheaper,
)
