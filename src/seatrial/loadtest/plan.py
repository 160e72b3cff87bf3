"""What a load test will do, and what it can cost at most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from seatrial.aws import explained
from seatrial.contracts import Contract, Part, Payload
from seatrial.contracts.loadtest import LoadShape
from seatrial.cost.prices import Prices
from seatrial.errors import InputError

# Shares of the test. Of 15 minutes, 333 s are idle: longer than the 300 s after which a sandbox is
# assumed to be gone. A shorter test may find its burst warm; the report says how cold it was.
# In this order: what is still in flight when the ramp ends may not throttle a shape that is judged.
WEIGHTS: dict[LoadShape, float] = {
    "steady": 0.22,
    "diurnal": 0.17,
    "replay": 0.17,
    "ramp": 0.17,
    "idle": 0.37,
    "burst": 0.07,
}
LEAST_PHASE_S = 1.0  # Locust looks at its shape once a second
REQUEST_S = 60.0  # the longest that one may take


class Served(Part):
    """The endpoint's serverless configuration."""

    endpoint_name: str
    variant_name: str
    memory_size_mb: PositiveInt
    max_concurrency: PositiveInt
    provisioned_concurrency: NonNegativeInt


class PlannedPhase(Part):
    """A shape from `start_s` on."""

    shape: LoadShape
    start_s: NonNegativeFloat
    seconds: PositiveFloat


class LoadPlan(Contract):
    """What the Locust process reads; `arrivals_s` count from the start of the replay."""

    served: Served
    region: str
    users: PositiveInt
    phases: tuple[PlannedPhase, ...]
    arrivals_s: tuple[float, ...]
    payloads: tuple[Payload, ...]
    max_errors: NonNegativeInt
    requests_path: Path

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.phases[-1].start_s + self.phases[-1].seconds

    def phase_at(self, at_s: float) -> int:
        """The number of the phase then."""
        return max(0, sum(phase.start_s <= at_s for phase in self.phases) - 1)


def served_by(endpoint_name: str, sagemaker: Any) -> Served:
    """What serves now; InputError for an endpoint that is not serverless."""
    with explained(f"the endpoint {endpoint_name}", do="Check its name, region and permissions"):
        variant = sagemaker.describe_endpoint(EndpointName=endpoint_name)["ProductionVariants"][0]
    config = variant.get("CurrentServerlessConfig")
    if config is None:
        raise InputError(
            f"{endpoint_name} is not serverless",
            got="a variant on instances",
            allowed="a serverless endpoint",
            do="Load-test an endpoint that has a ServerlessConfig",
        )
    return Served(
        endpoint_name=endpoint_name,
        variant_name=variant["VariantName"],
        memory_size_mb=config["MemorySizeInMB"],
        max_concurrency=config["MaxConcurrency"],
        provisioned_concurrency=config.get("ProvisionedConcurrency", 0),
    )


def planned(shapes: Sequence[LoadShape], seconds: float) -> tuple[PlannedPhase, ...]:
    """The shapes one after the other; a burst comes after an idle time."""
    asked = {*shapes, "idle"} if "burst" in shapes else set(shapes)
    named = [shape for shape in WEIGHTS if shape in asked]
    total = sum(WEIGHTS[shape] for shape in named)
    lasts = [seconds * WEIGHTS[shape] / total for shape in named]
    if min(lasts) < LEAST_PHASE_S:
        raise InputError(
            "the load test is too short for its shapes",
            got=f"{seconds:g} s for {', '.join(named)}",
            allowed=f"at least {LEAST_PHASE_S:g} s for each",
            do="Give more --seconds, or fewer --shape",
        )
    starts = [sum(lasts[:number]) for number in range(len(lasts))]
    return tuple(
        PlannedPhase(shape=shape, start_s=start, seconds=last)
        for shape, start, last in zip(named, starts, lasts, strict=True)
    )


def usd_per_second(served: Served, prices: Prices) -> float:
    """The dearest second of one sandbox; InputError if a price is not known."""
    names = ["serverless_usd_per_gb_second"]
    if served.provisioned_concurrency:
        names.append("provisioned_duration_usd_per_gb_second")
    return max(prices.usd_per_second(name, served.memory_size_mb) for name in names)


def max_usd(plan: LoadPlan, prices: Prices) -> float:
    """At most this much of compute: MaxConcurrency sandboxes busy all the time.

    Data comes on top, and provisioned concurrency is paid with or without a test.
    """
    busy_s = sum(phase.seconds for phase in plan.phases if phase.shape != "idle") + REQUEST_S
    return plan.served.max_concurrency * busy_s * usd_per_second(plan.served, prices)
