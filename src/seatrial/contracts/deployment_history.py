"""`deployments/<endpoint>/history.json`: what an endpoint has served and was seen to serve well."""

from __future__ import annotations

from pydantic import AwareDatetime, NonNegativeInt, PositiveInt

from seatrial.contracts.base import Contract, Part


class Serving(Part):
    """What an endpoint serves: a configuration, and the concurrency, which changes in place."""

    endpoint_config_name: str
    max_concurrency: PositiveInt
    provisioned_concurrency: PositiveInt | None


class VerifiedDeployment(Part):
    """One that passed its verification."""

    serving: Serving
    model_name: str
    image: str
    model_package_arn: str
    approved_at: AwareDatetime
    verified_at: AwareDatetime


class DeploymentHistory(Contract):
    """Kept in S3 by whoever holds the endpoint's lease; `fence` is that of the last writer.

    `verified` is newest first. `attempt` is what a deployment is changing to, or what one that
    crashed was: while it stands, the endpoint may serve something that nobody has verified.
    `latest_approved_at` stays when a deployment is rolled back: an older approval, or the same one
    once more, must not undo that.
    """

    endpoint_name: str
    fence: NonNegativeInt = 0
    latest_approved_at: AwareDatetime | None = None
    attempt: Serving | None = None
    verified: tuple[VerifiedDeployment, ...] = ()


class RollbackReport(Contract):
    """Written by roll_back; read by react, if a verdict on a window has asked for it.

    Asked for by the rejection of a package, or by a verdict on a configuration. `kept` says why the
    endpoint was left as it is; then `to` is None.
    """

    endpoint_name: str
    rejected_package_arn: str | None
    judged_config_name: str | None
    to: VerifiedDeployment | None
    kept: str | None


class GoldenAnswer(Part):
    """A request and the answer that was verified, for a rollback to compare with; one per line."""

    payload: str
    content_type: str
    body: str
    answer: str
