"""Which version a verdict brings back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from seatrial.contracts import DeploymentHistory, Serving, VerifiedDeployment
from seatrial.deployment.history import rollback_target
from seatrial.deployment.judged import Exchange, choose, find_earlier, find_judged, without_others
from seatrial.endpoint import EndpointState

NOW = datetime(2026, 6, 1, tzinfo=UTC)
STATUSES = {"arn:rejected": "Rejected", "arn:pending": "PendingManualApproval"}


def verified(model: str, *, config: str | None = None, concurrency: int = 5) -> VerifiedDeployment:
    return VerifiedDeployment(
        serving=Serving(
            endpoint_config_name=config or model,
            max_concurrency=concurrency,
            provisioned_concurrency=None,
        ),
        model_name=model,
        image="image",
        model_package_arn=f"arn:{model}",
        approved_at=NOW,
        verified_at=NOW,
    )


def history(*items: VerifiedDeployment) -> DeploymentHistory:
    return DeploymentHistory(endpoint_name="flights", verified=items)


@pytest.mark.parametrize(
    ("past", "to"),
    [
        pytest.param(["b", "a"], "a", id="the one before"),
        pytest.param(["c", "b", "a"], "a", id="not what came later"),
        pytest.param(["b", "rejected", "a"], "a", id="not a rejected one"),
        pytest.param(["b", "pending", "a"], "a", id="not one that nobody approves any more"),
        pytest.param(["b", "rejected"], None, id="nothing but a rejected one"),
        pytest.param(["b"], None, id="nothing before the first"),
    ],
)
def test_the_version_before_is_an_earlier_one_that_is_approved(
    past: list[str], to: str | None
) -> None:
    found = find_earlier(
        history(*map(verified, past)),
        verified("b"),
        lambda arn: STATUSES.get(arn, "Approved"),
    )
    assert (found.to and found.to.model_name) == to


def test_another_memory_or_concurrency_of_the_same_model_is_no_other_version() -> None:
    past = history(
        verified("b", config="b-2048"),
        verified("b", config="b-1024", concurrency=9),
        verified("b", config="b-1024"),
        verified("a"),
    )
    judged = find_judged(past, "b-1024")
    assert judged is not None
    assert judged == past.verified[1], "the newest of that configuration"
    found = find_earlier(past, judged, lambda _: "Approved")
    assert found.to == past.verified[3]
    assert found.passed_over == ("b-1024 is the same model",)
    assert find_judged(past, "c") is None


@pytest.mark.parametrize(
    ("past", "serves", "answer"),
    [
        pytest.param(["b", "a"], "b", "a", id="it serves still"),
        pytest.param(["c", "b", "a"], "b", "a", id="one above it was never recorded as undone"),
        pytest.param(["b", "a"], "a", "a", id="the change was made, and not recorded"),
        pytest.param(["c", "b", "a"], "c", "serves c by now", id="deployed in between"),
        pytest.param(["c", "b", "a"], "a", "serves a by now", id="and rolled back by a person"),
        pytest.param(["b", "a"], "x", "serves x by now", id="left by a deployment that crashed"),
        pytest.param(["a"], "a", "no verified deployment", id="taken back before"),
        pytest.param(["b"], "b", "nothing to roll flights back to", id="the first"),
        pytest.param(["b", "rejected"], "b", "which is Rejected", id="nothing approved"),
    ],
)
def test_only_what_serves_still_is_exchanged(past: list[str], serves: str, answer: str) -> None:
    found = choose(
        history(*map(verified, past)), "b", serves, lambda arn: STATUSES.get(arn, "Approved")
    )
    if isinstance(found, Exchange):
        assert (found.judged, found.to) == (verified("b"), verified(answer))
    else:
        assert answer in found


def test_one_that_died_after_the_change_is_finished_by_a_rollback_by_hand() -> None:
    past = history(*map(verified, ("c", "b", "rejected", "a", "z")))
    recorded = without_others(past, Exchange(verified("b"), verified("a")))
    assert [item.model_name for item in recorded.verified] == ["b", "a", "z"]
    now = EndpointState.in_service("flights", verified("a").serving)
    assert rollback_target(recorded, now) == verified("a")
    assert rollback_target(past, now) != verified("a")
