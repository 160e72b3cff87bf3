"""Which of the profiled candidates is to serve: by the user's objective, and ties to the simpler.

Measurements are noisy, so what is no more than `objectives.tie_ratio` worse than the best ties with
it. Of those the simplest serves: it has the fewest ways to be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

from seatrial.config import OptimizeFor
from seatrial.contracts import Candidate, Check, Choice, Readiness
from seatrial.readiness.configurations import WORDS, configurations, otherwise_provisioned
from seatrial.readiness.facts import Facts
from seatrial.readiness.setting import Setting, setting_of
from seatrial.readiness.tiers import TierOutlook
from seatrial.readiness.traffic_cost import traffic_cost
from seatrial.readiness.verdict import blocking, judge_setting

# Simplest first. A candidate of the user's or of another backend comes after all of ours.
SIMPLICITY = ("fp32", "fp32-mapped", "fp16", "int8-dynamic", "int8-static", "int8-mixed")
BACKENDS = ("onnxruntime", "user", "neo")
SHOWN_CODES = 3


@dataclass(frozen=True)
class Judged:
    """One profiled candidate, its verdict, and what its tier would be like."""

    facts: Facts

    @cached_property
    def setting(self) -> Setting:
        """The tier and concurrency that the verdict speaks of."""
        return setting_of(self.facts)

    @cached_property
    def readiness(self) -> Readiness:
        """The verdict."""
        return judge_setting(self.facts, self.setting)

    @property
    def tier(self) -> TierOutlook:
        """The tier that the verdict speaks of."""
        return self.setting.tier

    @property
    def name(self) -> str:
        """The candidate's name."""
        return self.facts.candidate.name

    @property
    def blocks(self) -> list[Check]:
        """The checks that keep it from being deployed."""
        return list(blocking(self.readiness.checks, self.facts.config.unknown_blocks))

    def figure(self, optimize_for: OptimizeFor) -> float:
        """What is to be small, at its tier; infinite if it is not known."""
        value = self.tier.figure(optimize_for)
        return inf if value is None else value


def choose(profiled: Sequence[Facts]) -> Readiness:
    """The verdict on the best candidate, with what each would have bought.

    If none is ready, the answer is about the one that the fewest checks keep back.
    """
    judged = [Judged(facts) for facts in profiled]
    objectives = profiled[0].config.objectives
    winner = _winner(judged, objectives.optimize_for, objectives.tie_ratio)
    choices = tuple(
        Choice(
            candidate=item.name,
            chosen=item is winner,
            ready=item.readiness.ready,
            memory_size_mb=item.tier.memory_size_mb if item.readiness.recommended else None,
            usd_per_million_requests=item.tier.usd_per_million_requests,
            cold_start_s=item.tier.cold_start_s,
            cold_start_method=item.tier.cold_start_method,
            latency_p95_ms=item.tier.latency_p95_ms,
            latency_method=item.tier.latency_method,
            peak_memory_mb=item.facts.peak_memory_mb,
            quality=item.facts.candidate.quality,
            reason=_reason(item, winner, judged),
        )
        for item in judged
    )
    update = {
        "choices": choices,
        "optimize_for": objectives.optimize_for,
        "configurations": configurations(winner.facts, winner.setting),
        "provisioning": otherwise_provisioned(winner.facts, winner.setting),
        "traffic": traffic_cost(winner.facts, winner.setting),
    }
    return winner.readiness.model_copy(update=update)


def _winner(judged: Sequence[Judged], optimize_for: OptimizeFor, tie_ratio: float) -> Judged:
    ready = [item for item in judged if item.readiness.ready]
    if not ready:
        return min(judged, key=lambda item: (len(item.blocks), _complexity(item)))
    best = min(item.figure(optimize_for) for item in ready)
    tied = [item for item in ready if item.figure(optimize_for) <= best * (1 + tie_ratio)]
    return min(tied, key=lambda item: (_complexity(item), item.figure(optimize_for)))


def _complexity(item: Judged) -> tuple[int, int, str]:
    candidate = item.facts.candidate
    return BACKENDS.index(candidate.backend), _place(candidate), candidate.name


def _place(candidate: Candidate) -> int:
    name = candidate.name
    return SIMPLICITY.index(name) if name in SIMPLICITY else len(SIMPLICITY)


def _reason(item: Judged, winner: Judged, judged: Sequence[Judged]) -> str:
    """Why it was chosen, or what it lost to."""
    if not item.readiness.ready:
        codes = list(dict.fromkeys(check.code for check in item.blocks)) or ["no tier holds it"]
        more = f" and {len(codes) - SHOWN_CODES} more" if len(codes) > SHOWN_CODES else ""
        why = f"not ready: {', '.join(codes[:SHOWN_CODES])}{more}"
        return f"{why}; nearest to ready" if item is winner and len(judged) > 1 else why
    if item is winner:
        return _won(item, [other for other in judged if other.readiness.ready], len(judged))
    return _lost(item, winner)


def _won(item: Judged, ready: Sequence[Judged], profiled: int) -> str:
    objectives = item.facts.config.objectives
    others = [other for other in ready if other is not item]
    if not others:
        return "the only one that was profiled" if profiled == 1 else "the only one that is ready"
    what = objectives.optimize_for
    if item.figure(what) == inf:
        return f"the {_words(item)} of none is known, and it is the simplest"
    nearest = min(others, key=lambda other: other.figure(what))
    gain = 1 - _ratio(item.figure(what), nearest.figure(what))
    if gain > 0:
        return f"lowest {_words(item)}: {gain:.0%} under {nearest.name}"
    return (
        f"no other {_words(item)} is lower by more than {objectives.tie_ratio:.0%}, and it is the "
        "simplest"
    )


def _lost(item: Judged, winner: Judged) -> str:
    what, tie = item.facts.config.objectives.optimize_for, item.facts.config.objectives.tie_ratio
    if item.figure(what) == inf:
        return f"its {_words(item)} is not known"
    excess = _ratio(item.figure(what), winner.figure(what)) - 1
    if excess > 0:
        return f"{_words(item)} is {excess:.0%} over {winner.name}'s"
    return (
        f"{_words(item)} is {-excess:.0%} under {winner.name}'s: a tie within {tie:.0%}, and "
        + (f"{winner.name} is simpler")
    )


def _ratio(value: float, to: float) -> float:
    if value == to:
        return 1.0
    return value / to if to else inf


def _words(item: Judged) -> str:
    return WORDS[item.facts.config.objectives.optimize_for]
