"""Back to the deployment before, which was verified then and is verified again now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.aws import S3
from seatrial.config import Config
from seatrial.contracts import Action, DeploymentHistory, GoldenAnswer, VerifiedDeployment
from seatrial.deployment.existing import find_endpoint_config
from seatrial.deployment.history import (
    golden_uri,
    read_history,
    rollback_target,
    up_to,
    write_history,
)
from seatrial.deployment.operator import Operator
from seatrial.deployment.planning import plan_change
from seatrial.deployment.retention import remove_unused
from seatrial.deployment.scaling import as_deployed
from seatrial.deployment.warming import Kept, plan_warm
from seatrial.endpoint import EndpointState, get_endpoint
from seatrial.errors import DeploymentError, InputError
from seatrial.pipelines.registration import describe_package
from seatrial.verification import verify_answers, verify_model

# The default of the pipeline's parameters that say who has asked for it.
NOT_ASKED = "none"


@dataclass(frozen=True)
class Rollback:
    """From what is served to a deployment that was verified before it."""

    state: EndpointState
    to: VerifiedDeployment
    history: DeploymentHistory
    actions: tuple[Action, ...]


def plan_rollback(endpoint_name: str, bucket: str, clients: Mapping[str, Any]) -> Rollback:
    """What a rollback would do now; InputError if there is nothing to go back to."""
    sagemaker = clients["sagemaker"]
    found = get_endpoint(endpoint_name, sagemaker)
    state = as_deployed(found, clients) or found
    history = read_history(bucket, endpoint_name, clients["s3"])
    to = rollback_target(history, state)
    if to is not None:
        return planned(state, to, history, sagemaker)
    known = [item.serving.endpoint_config_name for item in history.verified]
    raise InputError(
        f"there is nothing to roll {endpoint_name} back to",
        got=f"it serves {state.endpoint_config_name}; verified: {', '.join(known) or 'none'}",
        allowed="an endpoint with an earlier verified deployment",
        do="Approve the model package that is to serve",
    )


def planned(
    state: EndpointState, to: VerifiedDeployment, history: DeploymentHistory, sagemaker: Any
) -> Rollback:
    """The way from there to that deployment; InputError if its configuration is gone."""
    by_config = find_endpoint_config(to.serving.endpoint_config_name, sagemaker)
    if by_config is None:
        raise InputError(
            "the configuration to roll back to is gone",
            got=to.serving.endpoint_config_name,
            allowed="a configuration that nobody has deleted",
            do=f"Approve {to.model_package_arn} again: that deploys it anew",
        )
    actions = plan_change(state, state.variant_name or "", to.serving, by_config)
    return Rollback(state, to, history, tuple(actions))


def roll_back(operator: Operator, config: Config) -> Rollback:
    """Serve the deployment before again, verify it, keep it warm, and record it.

    DeploymentError if it does not verify: it then serves nevertheless, being what was asked for.
    """
    operator.settle()
    rollback = plan_rollback(operator.endpoint_name, config.bucket, operator.clients)
    serve_again(operator, config, rollback.to)
    record(operator, config, rollback)
    return rollback


def serve_again(operator: Operator, config: Config, deployment: VerifiedDeployment) -> None:
    """Serve it, verify that it answers as it did then, and keep it warm.

    DeploymentError if it does not verify.
    """
    s3, bucket = operator.clients["s3"], config.bucket
    state = operator.serve(deployment.serving)
    if state is None:
        raise DeploymentError(
            "the endpoint is gone",
            got=operator.endpoint_name,
            allowed="an endpoint in service",
            do="Approve a model package to deploy it anew",
        )
    verify_model(state, deployment.model_name, deployment.image, operator.sagemaker)
    golden = read_golden(bucket, operator.endpoint_name, deployment, S3(s3))
    verify_answers(operator.endpoint_name, golden, operator.clients["sagemaker-runtime"])
    requests = [(item.content_type, item.body) for item in golden]
    warm = Kept(operator.endpoint_name, state.variant_name or "", deployment.serving, requests)
    operator.carry_out(plan_warm(warm, config, operator.clients))


def record(operator: Operator, config: Config, rollback: Rollback) -> None:
    """Forget what was rolled back, and remove what nothing needs any more."""
    history = up_to(rollback.history, rollback.to.serving)
    # Before the record: a rollback that is run again after it would go one further.
    remove_unused(operator, history, config.bucket)
    write_history(history, config.bucket, operator.lease.fence, operator.clients["s3"])


def roll_back_rejected(
    operator: Operator, config: Config, model_package_arn: str
) -> Rollback | None:
    """Roll back if that package is rejected, and is what was deployed last; else None.

    InputError if there is nothing to go back to: the endpoint then goes on with what it has.
    """
    package = describe_package(model_package_arn, operator.sagemaker)
    verified = read_history(config.bucket, operator.endpoint_name, operator.clients["s3"]).verified
    deployed = [item.model_package_arn for item in verified[:1]]
    if package["ModelApprovalStatus"] != "Rejected" or deployed != [model_package_arn]:
        return None
    return roll_back(operator, config)


def read_golden(
    bucket: str, endpoint_name: str, deployment: VerifiedDeployment, s3: S3
) -> list[GoldenAnswer]:
    """The answers that were verified when that was deployed."""
    uri = golden_uri(bucket, endpoint_name, deployment.serving.endpoint_config_name)
    lines = s3.get_bytes(uri).decode().splitlines()
    return [GoldenAnswer.model_validate_json(line) for line in lines]
