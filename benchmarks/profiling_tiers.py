"""Latency by tier and the choice of a tier, against all tiers measured under their CPU quota.

A quota above this machine's cores cannot be given: those tiers are measured with all cores, and
count for the choice of a tier but not for the error of a latency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import mean
from types import SimpleNamespace
from typing import Any

from profiling_models import product_model
from profiling_runs import Subject, local_cgroups, profile
from profiling_truth import CORES, LIMITS, Servers, TierTruth, measure_pass, truths_of

from seatrial.config import load_config
from seatrial.contracts import PayloadProfile, Profile
from seatrial.cost.prices import load_prices
from seatrial.limits import tier_threads
from seatrial.pipelines.readiness import profile_arguments
from seatrial.readiness.latency import latency_at, tier_latency
from seatrial.readiness.tiers import choose_tier
from seatrial.readiness.whole import whole_latency

# Other work on the machine weighs as much as a whole group: here groups weigh more, and every
# server is in one, so that what is compared is slowed alike and little.
SHARES = 200_000
PREFER = f"""
make, begin = p.CpuGroups.make, p.Server.__init__
groups = p.find_cpu_groups()
def prefer(self, vcpus=1.0):
    group = make(self, vcpus)
    if group.version == 1:
        (group.folder / "cpu.shares").write_text("{SHARES}")
    return group
def in_group(self, command, model, limits, cgroup=None, cpu_group=None):
    if cpu_group is None and groups is not None:
        cpu_group = groups.make(len(p.os.sched_getaffinity(0)))
    begin(self, command, model, limits, cgroup, cpu_group)
p.CpuGroups.make, p.Server.__init__ = prefer, in_group
"""
PRICES = load_prices("us-east-1")
AWS_REQUESTS = (
    6000  # of the serverless benchmarking toolkit by default, without its concurrency runs
)


@dataclass(frozen=True)
class ModelRun:
    """A model's profile, the requests that took, and the truth of every tier.

    `truths` were measured in the profile's turns, `apart` in passes before and after it.
    """

    name: str
    profile: Profile
    requests: int
    truths: tuple[TierTruth, ...]
    apart: tuple[TierTruth, ...]

    @property
    def payload(self) -> PayloadProfile:
        """Its only sample."""
        return self.profile.candidates[0].payloads[0]

    def predictions(self, truth: TierTruth) -> dict[str, float | None]:
        """Latency at the tier in ms: predicted from whole cores, and as the verdict has it.

        The verdict's is left out where the profile has no requests under the tier's quota.
        """
        [candidate] = self.profile.candidates
        size, mb_per_vcpu = truth.memory_size_mb, LIMITS.mb_per_vcpu.value
        whole = whole_latency(candidate, self.payload, tier_threads(size, mb_per_vcpu))
        seen = latency_at(candidate, self.payload, size, mb_per_vcpu)
        if whole is None or seen is None:
            return {}
        predicted = whole.under(size / mb_per_vcpu)
        kinds = {
            "mean, predicted": predicted.mean_ms,
            "p50, predicted": predicted.p50_ms,
            "p95, predicted": predicted.p95_ms,
        }
        under_quota = tier_latency(candidate, self.payload, size) is not None
        return {
            **kinds,
            "mean, quota": seen.mean_ms if under_quota else None,
            "p50, quota": seen.p50_ms if under_quota else None,
            "p95, quota": seen.p95_ms if under_quota else None,
        }


@dataclass(frozen=True)
class Choice:
    """The tier that was chosen under an objective, and what it costs over the best of all.

    `truths_own_ratio` is what the best tier of one pass of the truth costs over the other's best.
    """

    model: str
    latency_p95_ms: float
    chosen_mb: int | None
    best_mb: int | None
    excess_ratio: float | None
    truths_own_ratio: float


def subjects(python: str) -> list[Subject]:
    """Models from one to a hundred and more ms, with one and with several threads' work."""
    return [
        product_model(python, "1 row, small", width=64, layers=1, rows=1),
        product_model(python, "200 rows, small", width=64, layers=2, rows=200),
        product_model(python, "1 row, 64 MB", width=2048, layers=4, rows=1),
        product_model(python, "100 rows, 16 MB", width=1024, layers=4, rows=100),
        product_model(python, "400 rows, 32 MB", width=1024, layers=8, rows=400),
        product_model(python, "1000 rows, 64 MB", width=2048, layers=4, rows=1000),
        product_model(
            python, "10 rows, 1100 MB held", width=1024, layers=1, rows=10, block_mb=1000
        ),
    ]


def run_models(
    folder: Path, python: str, only: Sequence[str] = (), *, choosing: bool = True
) -> list[ModelRun]:
    """Profile each as the pipeline does, and measure each in every tier.

    Tiers beyond the cores are left out unless one is to be chosen.
    """
    runs = []
    most_mb = LIMITS.mb_per_vcpu.value * CORES
    sizes = LIMITS.memory_tiers_mb.value
    held = [size for size in sizes if size <= most_mb]
    with local_cgroups(folder) as cgroups:
        if cgroups.cpu is not None and cgroups.cpu.version == 1:
            (cgroups.cpu.folder / "cpu.shares").write_text(str(SHARES))
        for number, subject in enumerate(subjects(python)):
            if only and subject.name not in only:
                continue
            place = folder / str(number)
            place.mkdir()
            before = measure_pass(subject, place / "before", cgroups, held)
            with Servers(subject, place / "truth", cgroups, sizes if choosing else held) as truth:
                options = {"patch": PREFER, **_arguments()}
                found = profile(subject, place / "candidates", turn=truth.turn, **options)
                truth.complete("before", "after")
                sides = truth.found_ms("before"), truth.found_ms("after")
            after = measure_pass(subject, place / "after", cgroups, held)
            truths = truths_of(*sides, sizes if choosing else held)
            apart = truths_of(before, after, held)
            runs.append(ModelRun(subject.name, found, _requests(found), truths, apart))
    return runs


def _requests(found: Profile) -> int:
    """How many the profile took, starts included."""
    [candidate] = found.candidates
    measured = (*candidate.payloads, *candidate.tier_latencies, *candidate.whole_latencies)
    starts = candidate.cold_start.repeats if candidate.cold_start else 0
    return sum(item.requests for item in measured) + starts


def _arguments() -> dict[str, str]:
    told = profile_arguments(
        load_config(None, profile={"scaled_requests": 0, "growth_requests": 0})
    )
    pairs = dict(zip(told[::2], told[1::2], strict=True))
    del pairs["--serve-command"]
    return {name[2:].replace("-", "_"): value for name, value in pairs.items()}


def choices(run: ModelRun) -> list[Choice]:
    """The choice by cost: without a bound, and with one that the smaller tiers do not keep."""
    slow, fast = run.truths[0], run.truths[2]
    bounds = [60_000.0]
    if slow.held and _p95_ms(slow) > 1.5 * _p95_ms(fast):
        bounds.append((_p95_ms(slow) * _p95_ms(fast)) ** 0.5)
    return [_choice(run, bound) for bound in bounds]


def _p95_ms(truth: TierTruth) -> float:
    found = truth.figure_ms("p95")
    assert found is not None  # noqa: S101 - a pass sends enough requests
    return found


def _usd_per_million(truth: TierTruth, found_ms: Sequence[float] = ()) -> float:
    """US dollars a million requests, without data; by both passes if not by these."""
    gb, taken_ms = truth.memory_size_mb / 1024, found_ms or (*truth.before_ms, *truth.after_ms)
    billed_ms = mean(map(ceil, taken_ms))
    return PRICES.usd("serverless_usd_per_gb_second") * gb * billed_ms * 1000


def _truths_own_ratio(good: Sequence[TierTruth]) -> float:
    passes = [{truth.memory_size_mb: _usd_per_million(truth, truth.before_ms) for truth in good}]
    passes += [{truth.memory_size_mb: _usd_per_million(truth, truth.after_ms) for truth in good}]
    found = [0.0]
    for one, other in (passes, passes[::-1]):
        if one:
            found.append(other[min(one, key=lambda size: one[size])] / min(other.values()) - 1)
    return max(found)


def _choice(run: ModelRun, bound_ms: float) -> Choice:
    config = load_config(None, objectives={"optimize_for": "cost", "latency_p95_ms": bound_ms})
    [measured] = run.profile.candidates
    ratio = 1 - config.objectives.memory_headroom_ratio
    facts: Any = SimpleNamespace(
        measured=measured,
        profile=run.profile,
        config=config,
        limits=LIMITS,
        usable_ratio=ratio,
        peak_memory_mb=measured.peak_memory_mb,
        prices=PRICES,
        account=SimpleNamespace(memory_size_mb=SimpleNamespace(value=6144, source="account quota")),
    )
    chosen = choose_tier(facts)
    peak_mb = measured.peak_memory_mb or 0.0
    good = [
        truth
        for truth in run.truths
        if truth.held and _p95_ms(truth) <= bound_ms and peak_mb <= ratio * truth.memory_size_mb
    ]
    best = min(good, key=_usd_per_million, default=None)
    taken = next((t for t in good if chosen and t.memory_size_mb == chosen.memory_size_mb), None)
    return Choice(
        model=run.name,
        latency_p95_ms=bound_ms,
        chosen_mb=chosen.memory_size_mb if chosen else None,
        best_mb=best.memory_size_mb if best else None,
        excess_ratio=_usd_per_million(taken) / _usd_per_million(best) - 1
        if taken and best
        else None,
        truths_own_ratio=_truths_own_ratio(good),
    )
