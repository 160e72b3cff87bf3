"""Deploy one target: look, plan, apply, verify, record; and back again if it does not verify.

All of it while the endpoint's lease is held. Wherever this is interrupted, running it again ends in
the same state: the plan holds what is missing, and the history says what was verified.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from seatrial.aws import S3
from seatrial.config import Config
from seatrial.contracts import (
    Action,
    Deployment,
    DeploymentHistory,
    Payload,
    VerifiedDeployment,
)
from seatrial.deployment.alarms import bake, plan_alarms
from seatrial.deployment.approval import approval_time
from seatrial.deployment.existing import Existing, look
from seatrial.deployment.history import (
    golden_uri,
    read_history,
    up_to,
    way_back,
    why_superseded,
    with_verified,
    without,
    write_history,
)
from seatrial.deployment.operator import Operator, check_serves
from seatrial.deployment.planning import plan, plan_way_back
from seatrial.deployment.refusals import check_approved, check_endpoint, check_quotas, endpoint_tags
from seatrial.deployment.removal import plan_removal
from seatrial.deployment.retention import remove_unused
from seatrial.deployment.scaling import plan_scaling
from seatrial.deployment.target import Target, log_group
from seatrial.deployment.warming import Kept, check_warm, plan_warm
from seatrial.errors import CloudError, DeploymentError, SeatrialError
from seatrial.pipelines.registration import describe_package
from seatrial.readiness.facts import Account
from seatrial.verification import (
    Verified,
    check_p95,
    measure_p95_ms,
    verify_model,
    verify_predictions,
)

if TYPE_CHECKING:
    from seatrial.serving.model import Model

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Release:
    """A target, and what it takes to see that it is what was profiled.

    `event_time` is that of the approval's event, None if a person asks for it now. `publish` puts
    archive and baseline where the target says.
    """

    target: Target
    payloads: Sequence[Payload]
    model: Model
    event_time: datetime | None
    publish: Callable[[], None]


def deploy(release: Release, config: Config, operator: Operator, account: Account) -> Deployment:
    """Bring the release into service and verify it; on any failure go back, and raise.

    A release that a later approval has overtaken is skipped, and the answer says so.
    """
    target = release.target
    package = describe_package(target.model_package_arn, operator.sagemaker)
    check_approved(package)
    approved_at = approval_time(release.event_time, package, operator.pace.now())
    history = read_history(config.bucket, target.endpoint_name, operator.clients["s3"])
    outcome = _planned(target, approved_at, operator.pace.now())
    skipped = why_superseded(history, target.serving, approved_at)
    if skipped is not None:
        return outcome.model_copy(update={"skipped": skipped})
    operator.settle()  # what a process that died has left under way
    existing = look(target, operator.clients)
    tags = endpoint_tags(existing.endpoint, operator.sagemaker)
    check_endpoint(existing.endpoint, tags, config.project)
    check_quotas(target.serverless, account, is_new=existing.endpoint is None)
    check_warm(config, target.serverless)
    release.publish()
    previous = way_back(history, existing.endpoint)
    history = up_to(history, previous)  # a rollback that was not recorded any more
    actions = whole_plan(target, existing, config, operator.clients)
    made = outcome.model_copy(
        update={
            "previous": previous,
            "actions": tuple(actions),
            "rollback": tuple(plan_way_back(target, previous)),
        }
    )
    return _Attempt(release, config, operator, history, made).make()


def whole_plan(
    target: Target, existing: Existing, config: Config, clients: Mapping[str, Any]
) -> list[Action]:
    """The alarms first, so that they see the change."""
    alarms = plan_alarms(target, config, clients["cloudwatch"])
    return [*alarms, *plan(target, existing, config)]


def kept(release: Release) -> Kept:
    """What of the release is kept warm."""
    target = release.target
    requests = [(item.content_type, item.body) for item in release.payloads]
    return Kept(target.endpoint_name, target.variant_name, target.serving, requests)


def _planned(target: Target, approved_at: datetime, now: datetime) -> Deployment:
    return Deployment(
        endpoint_name=target.endpoint_name,
        variant_name=target.variant_name,
        model_name=target.model_name,
        serving=target.serving,
        previous=None,
        skipped=None,
        model_data_url=target.model_data_url,
        baseline_uri=target.baseline_uri,
        log_group=log_group(target.endpoint_name),
        records_uri=target.records_uri,
        actions=(),
        rollback=(),
        golden=(),
        latency_p95_ms=None,
        approved_at=approved_at,
        deployed_at=now,
    )


@dataclass(frozen=True)
class _Attempt:
    """One try, from the first change to the record or back."""

    release: Release
    config: Config
    operator: Operator
    history: DeploymentHistory
    planned: Deployment

    def make(self) -> Deployment:
        """The deployment as it was made and verified."""
        started_s = self.operator.pace.clock()
        try:
            self._begin()
            self.operator.carry_out(self.planned.actions)
            verified, p95_ms = self._verify()
            bake(self.operator, self.config.deployment.bake_s, since_s=started_s)
            warm = plan_warm(kept(self.release), self.config, self.operator.clients)
            self.operator.carry_out(warm)
        except Exception as error:
            self._take_back(error)
            raise
        now = self.operator.pace.now()
        made = self.planned.model_copy(
            update={
                "golden": tuple(item.prediction for item in verified),
                "latency_p95_ms": p95_ms,
                "actions": (*self.planned.actions, *warm),
                "deployed_at": now,
            }
        )
        self._record(verified, now)
        return made

    def _begin(self) -> None:
        """Say what the endpoint may come to serve before anyone has verified it."""
        if any("EndpointName" in action.parameters for action in self.planned.actions):
            self._write(self.history.model_copy(update={"attempt": self.planned.serving}))

    def _verify(self) -> tuple[list[Verified], float]:
        name, target = self.planned.endpoint_name, self.release.target
        state = self.operator.settle()
        check_serves(name, self.planned.serving, state)
        assert state is not None  # noqa: S101 - what serves is there
        verify_model(state, target.model_name, target.image, self.operator.sagemaker)
        runtime, payloads = self.operator.clients["sagemaker-runtime"], self.release.payloads
        verified = verify_predictions(name, payloads, self.release.model, runtime)
        p95_ms = measure_p95_ms(name, payloads, runtime)
        check_p95(name, p95_ms, self.config.objectives.latency_p95_ms)
        return verified, p95_ms

    def _take_back(self, failure: Exception) -> None:
        try:
            take_back(self.operator, self.config, self.history, self.planned)
        except SeatrialError as error:
            raise DeploymentError(
                f"the deployment of {self.planned.endpoint_name} failed, and so did the way back",
                got=f"{failure} Then: {error}",
                allowed="the previous configuration in service",
                do="Run it again, or: seatrial rollback " + self.planned.endpoint_name,
            ) from failure

    def _record(self, verified: Sequence[Verified], now: datetime) -> None:
        target, planned = self.release.target, self.planned
        lines = "".join(item.answer.model_dump_json() + "\n" for item in verified)
        config_name = planned.serving.endpoint_config_name
        uri = golden_uri(self.config.bucket, target.endpoint_name, config_name)
        S3(self.operator.clients["s3"]).put_text(lines, uri)
        new = VerifiedDeployment(
            serving=planned.serving,
            model_name=target.model_name,
            image=target.image,
            model_package_arn=target.model_package_arn,
            approved_at=planned.approved_at,
            verified_at=now,
        )
        history = with_verified(self.history, new, keep=self.config.deployment.keep_configurations)
        self._write(history)
        tidy_up(self.operator, history, self.config.bucket)

    def _write(self, history: DeploymentHistory) -> None:
        operator = self.operator
        write_history(history, self.config.bucket, operator.lease.fence, operator.clients["s3"])


def take_back(
    operator: Operator, config: Config, history: DeploymentHistory, made: Deployment
) -> None:
    """Undo a deployment: what was there before serves again, and what it made is gone.

    DeploymentError if that cannot be reached.
    """
    operator.serve(made.previous)
    if made.previous is None:
        operator.carry_out(plan_removal(operator.endpoint_name, operator.clients))
    elif config.warm.mode == "provisioned" and made.previous.provisioned_concurrency is not None:
        # a change lets go of what scales the endpoint; pings go on by themselves
        name, variant, clients = operator.endpoint_name, made.variant_name, operator.clients
        operator.carry_out(plan_scaling(name, variant, made.previous, config.warm, clients))
    if made.serving != made.previous:
        history = without(history, made.serving)
    write_history(history, config.bucket, operator.lease.fence, operator.clients["s3"])
    tidy_up(operator, history, config.bucket)


def tidy_up(operator: Operator, history: DeploymentHistory, bucket: str) -> None:
    """Remove what is not needed any more; what cannot be removed now is left to the next time."""
    try:
        remove_unused(operator, history, bucket)
    except CloudError as error:
        _log.warning("left for the next deployment to remove: %s", error)
