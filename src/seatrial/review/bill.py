"""Advice from the bill: whether it is what was predicted, and if not, which part of it is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from seatrial.contracts.review import Advice, Bill
from seatrial.review.situation import Situation

# Usage types begin with a region's short name, as in USE1-ServerlessInf:Mem-3GB.
_ON_DEMAND = re.compile(r"ServerlessInf:Mem-(\d)GB$")
_DATA = re.compile(r"Data-Bytes-(In|Out)$")
_PROVISIONED = re.compile(r"ProvisionedConcurrency:(Usage|Mem)-\dGB$")


def bill(found: Situation) -> Iterator[Advice]:
    """Billed against predicted at the real traffic, on the same days."""
    read = found.usage.bill
    if read is None or read.unknown is not None:
        unasked = "not read; --bill asks Cost Explorer for it, which costs $0.01 on AWS"
        detail = unasked if read is None or read.unknown is None else read.unknown
        yield Advice(topic="BILL", act=False, known=False, detail=detail)
        return
    yield _compared(read, on_demand(read), found)


def _compared(read: Bill, billed: OnDemand, found: Situation) -> Advice:
    """Data is compared where the log tells sizes; what is provisioned never is."""
    usd = billed.usd + (0.0 if read.data_usd is None else billed.data_usd)
    predicted_usd = read.request_s * _usd_a_second(found) + (read.data_usd or 0.0)
    apart, most = _apart(usd, predicted_usd), found.config.review.max_bill_gap_ratio
    told = (
        f"${usd:.4g} were billed from {read.first_day} to {read.last_day}, "
        f"${predicted_usd:.4g} predicted"
    )
    if billed.provisioned_usd:
        told += f"; ${billed.provisioned_usd:.4g} for provisioned concurrency are in neither"
    if apart <= most:
        return Advice(topic="BILL", act=False, detail=told)
    why = "; ".join(_reasons(read, billed, found)) or "no part of it alone says why"
    return Advice(topic="BILL", act=True, detail=f"{told}, {apart:.0%} apart: {why}")


def _usd_a_second(found: Situation) -> float:
    return found.serving.memory_size_mb / 1024 * found.usd_per_gb_second


def _apart(billed: float, predicted: float) -> float:
    """As a share of the larger."""
    larger = max(billed, predicted)
    return abs(billed - predicted) / larger if larger else 0.0


def _reasons(read: Bill, billed: OnDemand, found: Situation) -> Iterator[str]:
    """Each part that is further apart than is allowed for all of it."""
    most = found.config.review.max_bill_gap_ratio
    now_mb = found.serving.memory_size_mb
    others = {mb: s for mb, s in billed.seconds_by_tier_mb.items() if mb != now_mb}
    if sum(others.values()) > most * billed.seconds:
        tiers = ", ".join(f"{s:.0f} s at {mb} MB" for mb, s in sorted(others.items()))
        yield f"the tier is {now_mb} MB now, and it was billed for {tiers}"
    if _apart(billed.seconds, read.request_s) > most:
        yield _seconds(read, billed, most)
    if billed.gb_seconds:
        price = billed.usd / billed.gb_seconds
        if _apart(price, found.usd_per_gb_second) > most:
            yield (
                f"a GB-second was ${price:.3g}, not ${found.usd_per_gb_second:.3g}: set "
                "prices.serverless_usd_per_gb_second"
            )
    if read.data_usd is not None and _apart(billed.data_usd, read.data_usd) > most:
        yield f"data was ${billed.data_usd:.3g}, not ${read.data_usd:.3g}"


def _seconds(read: Bill, billed: OnDemand, most: float) -> str:
    told = f"{billed.seconds:.1f} s were billed, and requests took {read.request_s:.1f} s"
    if read.setup_s and _apart(billed.seconds, read.request_s + read.setup_s) <= most:
        return f"{told}: with the {read.setup_s:.1f} s of cold starts it fits, so those are billed"
    return told


@dataclass(frozen=True)
class OnDemand:
    """What a bill says of sandboxes from zero: seconds by tier, and dollars."""

    seconds_by_tier_mb: dict[int, float]
    usd: float
    data_usd: float
    provisioned_usd: float

    @property
    def seconds(self) -> float:
        """On all tiers."""
        return sum(self.seconds_by_tier_mb.values())

    @property
    def gb_seconds(self) -> float:
        """Seconds times memory."""
        return sum(tier / 1024 * s for tier, s in self.seconds_by_tier_mb.items())


def on_demand(bill: Bill) -> OnDemand:
    """The bill's lines by what they are for; lines of other services do not count."""
    seconds: dict[int, float] = {}
    usd = data_usd = provisioned_usd = 0.0
    for line in bill.lines:
        if found := _ON_DEMAND.search(line.usage_type):
            tier = 1024 * int(found[1])
            seconds[tier] = seconds.get(tier, 0.0) + line.quantity
            usd += line.usd
        elif _DATA.search(line.usage_type):
            data_usd += line.usd
        elif _PROVISIONED.search(line.usage_type):
            provisioned_usd += line.usd
    return OnDemand(seconds, usd, data_usd, provisioned_usd)
