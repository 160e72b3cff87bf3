"""A review's change as a deployment: what serves now, configured otherwise.

No file of the run that made it is needed: archive, baseline and verified answers are in S3 for as
long as it serves. The change is verified as every deployment is, and taken back if it fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seatrial.archives import unpack
from seatrial.aws import S3, explained
from seatrial.config import Config
from seatrial.contracts import (
    Action,
    Deployment,
    Payload,
    ServerlessConfiguration,
    read_contract,
)
from seatrial.contracts.review import Review
from seatrial.deployment.history import read_history
from seatrial.deployment.operating import operating
from seatrial.deployment.release import Release
from seatrial.deployment.rollback import read_golden
from seatrial.deployment.rollout import deploy
from seatrial.deployment.target import COMMIT_TAG, EXECUTION_TAG, PROJECT_TAG, Target
from seatrial.endpoint import (
    BASELINE_TAG,
    PACKAGE_TAG,
    RECORDS_TAG,
    EndpointState,
    config_tags,
    get_endpoint,
)
from seatrial.errors import InputError
from seatrial.limits import THREADS_VARIABLE, load_limits, tier_environment
from seatrial.readiness.inputs import read_account
from seatrial.review.reading import read_deployed
from seatrial.steps.deploy_endpoint import plan_for

ORIGIN_TAGS = (PROJECT_TAG, EXECUTION_TAG, COMMIT_TAG)
# What a deployment adds to the environment that was asked for.
OWN_VARIABLES = ("SEATRIAL_ENDPOINT_NAME", "SEATRIAL_VARIANT_NAME", "SEATRIAL_MODEL_VERSION")


def read_review(place: str, s3: S3) -> Review:
    """The review in a file or in S3; ContractError if it is none."""
    if not place.startswith("s3://"):
        return read_contract(Review, Path(place))
    with TemporaryDirectory() as scratch:
        return read_contract(Review, s3.download(place, Path(scratch) / "review.json"))


def plan_review(review: Review, config: Config, clients: Mapping[str, Any]) -> list[Action]:
    """The calls that would make the change now; InputError for what would be refused."""
    changed = _changed(review, config, clients)
    return plan_for(changed.target, changed.payloads, config, dict(clients))


def apply_review(review: Review, config: Config, clients: Mapping[str, Any]) -> Deployment:
    """Make the change, and verify it; on failure what was there serves again."""
    from seatrial.serving.model import Model

    changed, limits = _changed(review, config, clients), load_limits()
    with TemporaryDirectory() as scratch:
        archive = Path(scratch) / "model.tar.gz"
        S3(clients["s3"]).download(changed.target.model_data_url, archive)
        unpack(archive, Path(scratch) / "model", max_mb=limits.disk_mb.value)
        release = Release(
            target=changed.target,
            payloads=changed.payloads,
            model=Model.load(Path(scratch) / "model"),
            event_time=None,
            publish=lambda: None,  # it serves: all of it is there
        )
        with operating(review.endpoint_name, config, clients) as operator:
            account = read_account(config, limits, clients=dict(clients))
            return deploy(release, config, operator, account)


@dataclass(frozen=True)
class _Changed:
    target: Target
    payloads: list[Payload]


def _changed(review: Review, config: Config, clients: Mapping[str, Any]) -> _Changed:
    state = get_endpoint(review.endpoint_name, clients["sagemaker"])
    _check_asked(review, config)
    _check_same(review, clients["sagemaker"])
    serves, model_name = _serves(review, state, clients["sagemaker"])
    payloads = _payloads(state, config, clients)
    if serves.model_name != model_name or not payloads:
        raise InputError(
            f"what {state.name} serves was not deployed and verified by seatrial",
            got=f"{model_name} by {state.endpoint_config_name}",
            allowed="a verified deployment of this project",
            do="Approve its model package, or change the configuration and deploy the run",
        )
    return _Changed(_with_threads(serves, review.memory_size_mb, config), payloads)


def _with_threads(serves: Target, memory_size_mb: int, config: Config) -> Target:
    """Another tier has another number of threads, unless the user says how many."""
    size, environment = serves.serverless.memory_size_mb, dict(serves.environment)
    if size == memory_size_mb:
        return serves
    if THREADS_VARIABLE not in config.endpoint.environment:
        environment.pop(THREADS_VARIABLE, None)
    return replace(serves, environment=tier_environment(size, environment))


def _serves(review: Review, state: EndpointState, sagemaker: Any) -> tuple[Target, str]:
    """What serves, with the changed memory; and the name of the model that it really has."""
    with explained(f"the model of {state.name}", do="Allow sagemaker:Describe*"):
        described = sagemaker.describe_endpoint_config(
            EndpointConfigName=state.endpoint_config_name
        )
        variant = described["ProductionVariants"][0]
        model = sagemaker.describe_model(ModelName=variant["ModelName"])
    tags, container = config_tags(state, sagemaker), model["PrimaryContainer"]
    environment = container.get("Environment", {}).items()
    target = Target(
        endpoint_name=state.name,
        variant_name=variant["VariantName"],
        image=container["Image"],
        role=model["ExecutionRoleArn"],
        model_data_url=container["ModelDataUrl"],
        baseline_uri=tags.get(BASELINE_TAG, ""),
        records_uri=tags.get(RECORDS_TAG, ""),
        model_package_arn=tags.get(PACKAGE_TAG, ""),
        serverless=_serverless(review),
        environment={key: value for key, value in environment if key not in OWN_VARIABLES},
        kms_key_arn=described.get("KmsKeyId"),
        origin={key: tags[key] for key in ORIGIN_TAGS if key in tags},
    )
    return target, variant["ModelName"]


def _check_asked(review: Review, config: Config) -> None:
    """InputError unless the review asks for a change of the configuration's endpoint."""
    name = review.endpoint_name
    if name != config.endpoint.name:
        raise InputError(
            "the review is of another endpoint than the configuration's",
            got=name,
            allowed=f"endpoint.name, {config.endpoint.name}",
            do="Give the endpoint's configuration with --config",
        )
    if not review.change:
        raise InputError(
            f"the review of {name} asks for no change of the configuration",
            got="no change",
            allowed="a review whose advice has one",
            do="Read what else it says should be done",
        )


def _check_same(review: Review, sagemaker: Any) -> None:
    """InputError unless the endpoint is still as it was reviewed."""
    now = read_deployed(review.endpoint_name, sagemaker)
    is_now = (now.memory_size_mb, now.max_concurrency, now.provisioned_concurrency)
    was = (review.memory_size_mb, review.max_concurrency, review.provisioned_concurrency)
    if is_now != was:
        raise InputError(
            f"{review.endpoint_name} was changed since it was reviewed",
            got=_figures(*is_now),
            allowed=_figures(*was),
            do=f"Review it again: seatrial review {review.endpoint_name}",
        )


def _figures(memory_size_mb: int, max_concurrency: int, provisioned: int | None) -> str:
    return f"{memory_size_mb} MB, {max_concurrency} at once, {provisioned or 0} provisioned"


def _serverless(review: Review) -> ServerlessConfiguration:
    now = {
        "endpoint.memory_size_mb": review.memory_size_mb,
        "endpoint.max_concurrency": review.max_concurrency,
        "endpoint.provisioned_concurrency": review.provisioned_concurrency,
    }
    wanted = {key.partition(".")[2]: value for key, value in (now | review.change).items()}
    return ServerlessConfiguration.model_validate(wanted)


def _payloads(state: EndpointState, config: Config, clients: Mapping[str, Any]) -> list[Payload]:
    """The requests that it was verified with; none if nobody has."""
    history = read_history(config.bucket, state.name, clients["s3"])
    golden = [
        answer
        for item in history.verified
        if item.serving.endpoint_config_name == state.endpoint_config_name
        for answer in read_golden(config.bucket, state.name, item, S3(clients["s3"]))
    ]
    return [
        Payload.model_validate(
            {
                "name": answer.payload,
                "content_type": answer.content_type,
                "rows": len(answer.answer.splitlines()),
                "body": answer.body,
            }
        )
        for answer in golden
    ]
