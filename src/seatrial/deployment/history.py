"""The deployments of an endpoint that were verified, in S3: what a rollback can bring back.

Only the holder of the endpoint's lease writes; the fencing number keeps out one that has lost it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from seatrial.contracts import DeploymentHistory, Serving, VerifiedDeployment
from seatrial.endpoint import EndpointState
from seatrial.errors import DeploymentError
from seatrial.lease import SharedObject


def lock_uri(bucket: str, endpoint_name: str) -> str:
    """Where the endpoint's lease is."""
    return f"s3://{bucket}/locks/{endpoint_name}.json"


def history_uri(bucket: str, endpoint_name: str) -> str:
    """Where the endpoint's history is."""
    return f"s3://{bucket}/deployments/{endpoint_name}/history.json"


def golden_uri(bucket: str, endpoint_name: str, endpoint_config_name: str) -> str:
    """Where the verified answers of a configuration are."""
    return f"s3://{bucket}/deployments/{endpoint_name}/golden/{endpoint_config_name}.jsonl"


def read_history(bucket: str, endpoint_name: str, s3: Any) -> DeploymentHistory:
    """What is recorded of the endpoint; an empty history if nothing is."""
    found = SharedObject(history_uri(bucket, endpoint_name), s3).read()
    if found is None:
        return DeploymentHistory(endpoint_name=endpoint_name)
    return DeploymentHistory.model_validate_json(found.body)


def write_history(history: DeploymentHistory, bucket: str, fence: int, s3: Any) -> None:
    """Record it; DeploymentError if somebody with a later lease has written already."""
    shared = SharedObject(history_uri(bucket, history.endpoint_name), s3)
    now = shared.read()
    last = 0 if now is None else DeploymentHistory.model_validate_json(now.body).fence
    body = history.model_copy(update={"fence": fence}).model_dump_json(indent=2).encode()
    if last > fence or shared.write(body, now) is None:
        raise DeploymentError(
            f"the history of {history.endpoint_name} was written by another deployment",
            got=f"fencing number {last}",
            allowed=f"at most {fence}",
            do="Run this again: it takes the lease anew and looks at what is there now",
        )


def with_verified(
    history: DeploymentHistory, new: VerifiedDeployment, *, keep: int
) -> DeploymentHistory:
    """`new` on top, once, and no more than `keep` in all."""
    others = [item for item in history.verified if item.serving != new.serving]
    latest = max(history.latest_approved_at or new.approved_at, new.approved_at)
    verified = (new, *others)[:keep]
    return history.model_copy(
        update={"verified": verified, "attempt": None, "latest_approved_at": latest}
    )


def without(history: DeploymentHistory, serving: Serving) -> DeploymentHistory:
    """The history once `serving` was taken back or rolled back."""
    left = tuple(item for item in history.verified if item.serving != serving)
    return history.model_copy(update={"verified": left, "attempt": None})


def up_to(history: DeploymentHistory, serving: Serving | None) -> DeploymentHistory:
    """The history with nothing above `serving`, if that is in it: what was rolled back."""
    known = [item.serving for item in history.verified]
    if serving is None or serving not in known:
        return history
    left = history.verified[known.index(serving) :]
    return history.model_copy(update={"verified": left, "attempt": None})


def way_back(history: DeploymentHistory, state: EndpointState | None) -> Serving | None:
    """What a deployment that fails brings back: what is served now, if it was ever verified.

    None: nothing, the endpoint is to be deleted again. What an attempt that crashed has left
    behind is not a way back, the last verified deployment before it is.
    """
    if state is None or state.serving is None:
        return None
    known = [item.serving for item in history.verified]
    attempt = history.attempt
    left_behind = (
        attempt is not None
        and attempt.endpoint_config_name == state.serving.endpoint_config_name
        and state.serving not in known
    )
    if left_behind:
        return known[0] if known else None
    return as_verified(history, state.serving)


def as_verified(history: DeploymentHistory, serving: Serving) -> Serving:
    """The verified deployment that `serving` is, or has been scaled from; else itself.

    Whoever was interrupted after it let go of what scales the endpoint has left it with the
    concurrency of that hour, which nobody ever deployed.
    """
    known = [item.serving for item in history.verified]
    if serving in known or serving.provisioned_concurrency is None:
        return serving

    def unscaled(item: Serving) -> Serving:
        return item.model_copy(update={"provisioned_concurrency": 1})

    provisioned = [item for item in known if item.provisioned_concurrency is not None]
    return next((item for item in provisioned if unscaled(item) == unscaled(serving)), serving)


def rollback_target(history: DeploymentHistory, state: EndpointState) -> VerifiedDeployment | None:
    """The verified deployment before the one that is served; None if there is none.

    A rollback that crashed after the change and before its record is finished, not repeated. From
    something that was never verified it goes back to the last that was.
    """
    newest = history.verified[:2]
    now = state.serving and as_verified(history, state.serving)
    if any(item.serving == now for item in newest):
        return newest[1] if len(newest) == 2 else None
    return newest[0] if newest else None


def why_superseded(
    history: DeploymentHistory, wanted: Serving, approved_at: datetime
) -> str | None:
    """Why that approval is not to be deployed any more; None if it is.

    Approvals arrive late, in another order, and more than once.
    """
    latest = history.latest_approved_at
    if latest is None or approved_at > latest:
        return None
    if approved_at < latest:
        return f"approved at {approved_at:%Y-%m-%d %H:%M:%S} UTC, and a later one is deployed"
    if wanted in [item.serving for item in history.verified[:1]]:
        return None  # the same event again: what it asks for is there, and is verified again
    return f"the approval of {approved_at:%Y-%m-%d %H:%M:%S} UTC was deployed, and rolled back"
