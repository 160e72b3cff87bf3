"""One try of a deployment: apply, verify, watch, keep warm, record; or go back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from seatrial.aws import S3
from seatrial.config import Config
from seatrial.contracts import Deployment, DeploymentHistory, VerifiedDeployment
from seatrial.deployment.alarms import bake
from seatrial.deployment.history import golden_uri, with_verified, write_history
from seatrial.deployment.operator import Operator, check_serves
from seatrial.deployment.release import Release
from seatrial.deployment.taking_back import take_back, tidy_up
from seatrial.deployment.warming import plan_warm
from seatrial.errors import DeploymentError, SeatrialError
from seatrial.verification import (
    Verified,
    check_p95,
    measure_p95_ms,
    verify_model,
    verify_predictions,
)


@dataclass(frozen=True)
class Attempt:
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
            warm = plan_warm(self.release.kept, self.config, self.operator.clients)
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
            history = take_back(self.operator, self.config, self.history, self.planned)
            tidy_up(self.operator, history, self.config.bucket)
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
