"""From the log of a load test to its report. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from seatrial.config import ObjectivesConfig
from seatrial.contracts.loadtest import LoadCheck, LoadLatency, LoadMoment, LoadPhase, LoadTest
from seatrial.cost.setup import Objectives
from seatrial.limits import load_limits
from seatrial.loadtest.advice import needed
from seatrial.loadtest.cold import ColdRequests
from seatrial.loadtest.plan import LoadPlan, PlannedPhase
from seatrial.loadtest.requests import Log, Request
from seatrial.loadtest.shapes import peak_users
from seatrial.trial.traffic import percentile_ms

_MOMENTS = 30
# Of the requests, that provisioned concurrency is to cover, as in seatrial cost.
_COVERED_RATIO = 0.95


@dataclass(frozen=True)
class Bill:
    """Said before, and list prices of what was answered."""

    max_usd: float
    usd: float


class Findings:
    """The requests of a test, cold and warm apart, and by phase."""

    def __init__(self, plan: LoadPlan, log: Log, cold: ColdRequests) -> None:
        self._plan, self.log, self._cold = plan, log, cold
        self._numbered = list(enumerate(log.requests))

    def of(self, phase: PlannedPhase) -> list[tuple[int, Request]]:
        """Those that began in the phase."""
        number = self._plan.phases.index(phase)
        return [pair for pair in self._numbered if pair[1].phase == number]

    def judged(self) -> list[tuple[PlannedPhase, list[tuple[int, Request]]]]:
        """All but the ramp, which asks for too much on purpose, and the idle time behind it."""
        judged = [item for item in self._plan.phases if item.shape not in ("ramp", "idle")]
        return [(phase, self.of(phase)) for phase in judged]

    def latency(self, pairs: Sequence[tuple[int, Request]], *, cold: bool) -> LoadLatency:
        """Of the cold, or the warm ones among them."""
        ordered = sorted(
            item.latency_s
            for number, item in pairs
            if item.error is None and (number in self._cold.numbers) is cold
        )
        return LoadLatency(
            requests=len(ordered),
            p50_ms=percentile_ms(ordered, 0.5),
            p95_ms=percentile_ms(ordered, 0.95),
            p99_ms=percentile_ms(ordered, 0.99),
            max_ms=percentile_ms(ordered, 1.0),
        )

    def phases(self) -> Iterator[LoadPhase]:
        """Each phase's figures."""
        plan = self._plan
        for phase in plan.phases:
            pairs = self.of(phase)
            yield LoadPhase(
                shape=phase.shape,
                seconds=phase.seconds,
                peak_users=peak_users(phase.shape, plan.users, plan.served.max_concurrency),
                requests=len(pairs),
                throttled=sum(item.throttled for _, item in pairs),
                errors=_errors(item for _, item in pairs),
                warm=self.latency(pairs, cold=False),
                cold=self.latency(pairs, cold=True),
            )

    def moments(self) -> Iterator[LoadMoment]:
        """The test in slices of a second or more."""
        slice_s = max(1.0, self._plan.seconds / _MOMENTS)
        slices: dict[int, list[Request]] = {}
        for item in self.log.requests:
            slices.setdefault(int(item.at_s / slice_s), []).append(item)
        for number, items in sorted(slices.items()):
            yield LoadMoment(
                at_s=number * slice_s,
                shape=self._plan.phases[items[0].phase].shape,
                requests=len(items),
                throttled=sum(item.throttled for item in items),
                errors=_errors(items),
                p95_ms=percentile_ms(
                    sorted(item.latency_s for item in items if item.error is None), 0.95
                ),
            )


def report(
    plan: LoadPlan, log: Log, cold: ColdRequests, objectives: ObjectivesConfig, bill: Bill
) -> LoadTest:
    """The report."""
    found = Findings(plan, log, cold)
    checks = tuple(_checks(found, objectives))
    concurrency = _recommended(found, plan, ratio=1.0)
    provisioned = None
    if _cold_starts_are_the_matter(found, objectives):
        provisioned = _recommended(found, plan, ratio=_COVERED_RATIO)
    return LoadTest(
        endpoint_name=plan.served.endpoint_name,
        memory_size_mb=plan.served.memory_size_mb,
        max_concurrency=plan.served.max_concurrency,
        provisioned_concurrency=plan.served.provisioned_concurrency,
        users=plan.users,
        started_at=log.started_at,
        phases=tuple(found.phases()),
        moments=tuple(found.moments()),
        cold_told_by=cold.told_by,
        max_usd=bill.max_usd,
        usd=bill.usd,
        recommended_max_concurrency=concurrency,
        recommended_provisioned_concurrency=provisioned,
        recommendation=_said(concurrency, provisioned),
        checks=checks,
        ended_early=log.ended_early,
    )


def _recommended(found: Findings, plan: LoadPlan, *, ratio: float) -> int | None:
    """What the busiest phase needed; None if it asked nothing, or more than there is."""
    most = max(
        (
            needed(
                [item for _, item in pairs],
                peak_users(phase.shape, plan.users, plan.served.max_concurrency),
                ratio=ratio,
            )
            for phase, pairs in found.judged()
        ),
        default=0,
    )
    return most if 1 <= most <= load_limits().max_concurrency.value else None


def _cold_starts_are_the_matter(found: Findings, objectives: ObjectivesConfig) -> bool:
    """True if warm requests are quick enough, and all of them together are not."""
    pairs = [pair for _, some in found.judged() for pair in some]
    everything = sorted(item.latency_s for _, item in pairs if item.error is None)
    slow_ms = percentile_ms(everything, 0.95)
    warm_ms = found.latency(pairs, cold=False).p95_ms
    limit = objectives.latency_p95_ms
    return slow_ms is not None and warm_ms is not None and warm_ms <= limit < slow_ms


def _said(concurrency: int | None, provisioned: int | None) -> str:
    if concurrency is None:
        return (
            "no MaxConcurrency follows: nothing was asked outside of the ramp, or more at once "
            "than the service allows"
        )
    base = f"MaxConcurrency {concurrency} carries this load without throttling"
    if provisioned is None:
        return f"{base}; its cold starts do not call for provisioned concurrency"
    return (
        f"{base}; cold starts miss the latency objective: ProvisionedConcurrency {provisioned} "
        f"covers {100 * _COVERED_RATIO:.0f} % of the requests"
    )


def _checks(found: Findings, objectives: ObjectivesConfig) -> Iterator[LoadCheck]:
    pairs = [pair for _, some in found.judged() for pair in some]
    everything = found.log.requests
    warm, cold = found.latency(pairs, cold=False), found.latency(pairs, cold=True)
    throttled = sum(item.throttled for _, item in pairs) / len(pairs) if pairs else None
    limit = Objectives().max_throttled_ratio
    for code, measured, most, unit in (
        ("WARM_LATENCY", warm.p95_ms, objectives.latency_p95_ms, "ms p95"),
        ("COLD_LATENCY", cold.p95_ms, 1000 * objectives.cold_start_s, "ms p95"),
        ("THROTTLES", throttled, limit, "of the requests"),
        ("ERRORS", float(_errors(everything)) if everything else None, 0.0, "errors"),
    ):
        passed = None if measured is None else measured <= most
        yield LoadCheck.model_validate(
            {"code": code, "passed": passed, "measured": measured, "limit": most, "unit": unit}
        )


def _errors(requests: Iterable[Request]) -> int:
    return sum(item.error is not None and not item.throttled for item in requests)
