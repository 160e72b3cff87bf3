"""A figure counts for the image that it was measured in; else it is unknown."""

from __future__ import annotations

import pytest
from readiness_facts import CANDIDATE, facts

from seatrial.contracts import Optimization, Profile, Readiness
from seatrial.readiness.facts import Circumstances
from seatrial.steps.judge_readiness import judge_candidates

NEO_IMAGE = "301217895009.dkr.ecr.us-west-2.amazonaws.com/sagemaker-inference-pytorch:1.12-cpu-py3"
MEASURED = {
    *("MEMORY_HEADROOM", "MEMORY_TIER_QUOTA", "MEMORY_LEAK", "INVOCATION_TIMEOUT"),
    *("LATENCY_OBJECTIVE", "COLD_START_LIMIT", "COLD_START_OBJECTIVE", "PAYLOAD_RESPONSE"),
    *("WORKER_COUNT", "WRITES_OUTSIDE_TMP", "SHARED_MEMORY", "STARTUP_NETWORK"),
    *("READY_EARLY", "LISTENING_PORTS"),
    *("IMAGE_SIZE", "IMAGE_TARGET", "IMAGE_BYTECODE"),
}
CONFIGURED = facts().config.images.serving


def judged(*, needs: str | None, profiled_in: str | None) -> Readiness:
    base = facts()
    candidate = CANDIDATE.model_copy(update={"inference_image": needs})
    optimization: Optimization = base.optimization.model_copy(update={"candidates": (candidate,)})
    profile: Profile = base.profile.model_copy(update={"image": profiled_in})
    shared = {name: getattr(base, name) for name in Circumstances.__dataclass_fields__}
    archives = {} if base.archive is None else {candidate.name: base.archive}
    return judge_candidates(optimization, profile, Circumstances(**shared), archives)


@pytest.mark.parametrize(
    ("needs", "profiled_in"),
    [
        pytest.param(NEO_IMAGE, None, id="its own, profiled here"),
        pytest.param(NEO_IMAGE, CONFIGURED, id="its own, profiled in the configured one"),
        pytest.param(None, NEO_IMAGE, id="the configured one, profiled in another"),
    ],
)
def test_what_was_measured_in_another_image_is_unknown_and_blocks(
    needs: str | None, profiled_in: str | None
) -> None:
    found = judged(needs=needs, profiled_in=profiled_in)
    assert not found.ready
    statuses = {check.code: check.status for check in found.checks}
    assert {code: statuses[code] for code in MEASURED if code in statuses} == dict.fromkeys(
        MEASURED & set(statuses), "unknown"
    )
    cold = next(check for check in found.checks if check.code == "COLD_START_LIMIT")
    assert f"profiled in {profiled_in or CONFIGURED}, and runs in {needs or CONFIGURED}" in (
        cold.detail
    )


@pytest.mark.parametrize(
    ("needs", "profiled_in"),
    [(None, None), (None, CONFIGURED), (CONFIGURED, None), (NEO_IMAGE, NEO_IMAGE)],
)
def test_the_image_that_serves_is_judged(needs: str | None, profiled_in: str | None) -> None:
    assert judged(needs=needs, profiled_in=profiled_in).ready
