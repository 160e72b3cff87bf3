"""report.html: verdict on top, what to do, five charts, and everything that was checked."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.config import Config
from seatrial.contracts import CandidateProfile, Optimization, Profile, Readiness
from seatrial.report.candidate_chart import candidate_chart
from seatrial.report.frame import document, framed
from seatrial.report.markup import element
from seatrial.report.memory_chart import memory_chart
from seatrial.report.runner_part import how_measured, runners_up
from seatrial.report.start_chart import start_chart
from seatrial.report.svg import Figure
from seatrial.report.tier_chart import tier_chart
from seatrial.report.traffic_chart import traffic_chart
from seatrial.report.verdict_part import all_checks, to_do, verdict_card


def render(
    readiness: Readiness, optimization: Optimization, profile: Profile, config: Config
) -> str:
    """The page, the same for the same files."""
    measured = next(item for item in profile.candidates if item.candidate == readiness.candidate)
    title = f"{readiness.candidate}: {'ready' if readiness.ready else 'not ready'}"
    return document(
        title,
        verdict_card(readiness, measured, config),
        to_do(readiness, config),
        element("h2", "What was measured"),
        element(
            "div",
            *map(framed, _figures(readiness, optimization, measured, profile, config)),
            how_measured(readiness, optimization, profile),
            class_="charts",
        ),
        runners_up(readiness),
        all_checks(readiness),
    )


def _figures(
    readiness: Readiness,
    optimization: Optimization,
    measured: CandidateProfile,
    profile: Profile,
    config: Config,
) -> Iterator[Figure]:
    tier_mb = next(item.memory_size_mb for item in readiness.configurations if item.judged)
    yield tier_chart(readiness, config.objectives.latency_p95_ms)
    yield memory_chart(measured, tier_mb, 1 - config.objectives.memory_headroom_ratio)
    yield start_chart(profile)
    yield candidate_chart(optimization, readiness.candidate)
    if readiness.traffic is not None:
        yield traffic_chart(readiness.traffic)
