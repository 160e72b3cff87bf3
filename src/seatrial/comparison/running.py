"""What both sides take to run, measured side by side: latency, size, and the cost that follows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from seatrial.comparison.decision import within
from seatrial.comparison.quality import shown
from seatrial.config import ComparisonConfig
from seatrial.contracts import Estimate, Guard, GuardStatus
from seatrial.cost.prices import Prices
from seatrial.limits import Limits
from seatrial.optimization.comparison import ratio_estimate
from seatrial.optimization.measuring import Run
from seatrial.readiness.bandwidth import on_share


@dataclass(frozen=True)
class Figures:
    """One side: its runs in fresh processes, and the size of the file that serves."""

    runs: tuple[Run, ...]
    model_size_mb: float

    @property
    def peak_memory_mb(self) -> float:
        """The highest of all runs."""
        return max(run.peak_memory_mb for run in self.runs)

    @property
    def rows(self) -> list[int]:
        """The batch sizes, in the order of the runs' batches."""
        return [batch.rows for batch in self.runs[0].batches]

    def medians_ms(self, index: int) -> list[float]:
        """Each run's median of one batch size."""
        return [median(run.batches[index].calls_ms) for run in self.runs]

    def p50_ms(self, index: int) -> float:
        """The median of the runs' medians."""
        return median(self.medians_ms(index))

    def cpu_s(self, index: int) -> float:
        """CPU time of a call."""
        return median(run.batches[index].cpu_ms for run in self.runs) / 1000


@dataclass(frozen=True)
class Tariff:
    """What memory costs, and how much CPU comes with it; `usable_ratio` is the share of a tier."""

    limits: Limits
    prices: Prices
    usable_ratio: float


def running_guards(
    champion: Figures, challenger: Figures, config: ComparisonConfig, tariff: Tariff | None
) -> Iterator[Guard]:
    """Latency for each batch size, size and cost; without a `tariff` the cost is unknown."""
    for index, rows in enumerate(challenger.rows):
        yield _latency(champion, challenger, index, rows, config)
    yield _size(champion.model_size_mb, challenger.model_size_mb, config)
    yield _cost(champion, challenger, config, tariff)


def _latency(
    champion: Figures, challenger: Figures, index: int, rows: int, config: ComparisonConfig
) -> Guard:
    ours, theirs = challenger.medians_ms(index), champion.medians_ms(index)
    ratio = ratio_estimate(ours, theirs)
    quick = max(ours) <= config.latency_floor_ms
    measured: GuardStatus = "unknown" if ratio is None else within(ratio, config.max_latency_ratio)
    times = f"{challenger.p50_ms(index):.3g} ms, the champion's {champion.p50_ms(index):.3g}"
    floor = f", under {config.latency_floor_ms:g} ms" if quick else ""
    times_as_long = "" if ratio is None else f", {shown(ratio)} times as long"
    return Guard(
        code="LATENCY",
        what=f"of {rows} rows",
        status="pass" if quick else measured,
        change=ratio,
        limit=config.max_latency_ratio,
        unit="times",
        detail=f"{times}{times_as_long}{floor}",
    )


def _size(champion_mb: float, challenger_mb: float, config: ComparisonConfig) -> Guard:
    ratio = challenger_mb / champion_mb
    good = challenger_mb <= config.size_floor_mb or ratio <= config.max_size_ratio
    floor = f", under {config.size_floor_mb:g} MB" if challenger_mb <= config.size_floor_mb else ""
    return Guard(
        code="SIZE",
        what="of the model file",
        status="pass" if good else "fail",
        change=Estimate(value=ratio, low=ratio, high=ratio),
        limit=config.max_size_ratio,
        unit="times",
        detail=f"{challenger_mb:.3g} MB, the champion's {champion_mb:.3g}{floor}",
    )


def _cost(
    champion: Figures, challenger: Figures, config: ComparisonConfig, tariff: Tariff | None
) -> Guard:
    def answer(status: GuardStatus, ratio: float | None, detail: str) -> Guard:
        return Guard(
            code="COST",
            what="of a request",
            status=status,
            change=None if ratio is None else Estimate(value=ratio, low=ratio, high=ratio),
            limit=config.max_cost_ratio,
            unit="times",
            detail=detail,
        )

    if tariff is None:
        return answer("unknown", None, "the region's prices are not known")
    sides = [usd_per_million(side, tariff, config) for side in (champion, challenger)]
    if sides[0] is None or sides[1] is None:
        name = "champion" if sides[0] is None else "challenger"
        return answer("unknown", None, f"no tier holds the {name}")
    (theirs, their_tier), (ours, our_tier) = sides[0], sides[1]
    ratio = ours / theirs
    return answer(
        "pass" if ratio <= config.max_cost_ratio else "fail",
        ratio,
        f"predicted ${ours:.3g} per million at {our_tier} MB, the champion's ${theirs:.3g} at "
        f"{their_tier} MB",
    )


def usd_per_million(
    side: Figures, tariff: Tariff, config: ComparisonConfig
) -> tuple[float, int] | None:
    """Duration's price at the smallest tier that holds it, and the tier; batches in equal shares.

    A prediction from what the interpreter alone takes: no call counts as less than the latency
    floor, for the request around it. Billed by the millisecond.
    """
    limits = tariff.limits
    holding = (
        tier
        for tier in limits.memory_tiers_mb.value
        if side.peak_memory_mb <= tier * tariff.usable_ratio
    )
    tier = next(holding, None)
    if tier is None:
        return None
    total_ms = 0
    for index in range(len(side.rows)):
        measured_ms = max(side.p50_ms(index), config.latency_floor_ms)
        cpu_ms = max(1000 * side.cpu_s(index), config.latency_floor_ms)
        total_ms += math.ceil(on_share(measured_ms, cpu_ms, tier / limits.mb_per_vcpu.value))
    per_second = tariff.prices.usd_per_second("serverless_usd_per_gb_second", tier)
    return 1e6 * per_second * total_ms / 1000 / len(side.rows), tier
