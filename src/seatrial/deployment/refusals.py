"""What is refused before anything is changed, each with what to do instead."""

from __future__ import annotations

from typing import Any

from seatrial.aws import explained
from seatrial.config import Config
from seatrial.contracts import ServerlessConfiguration
from seatrial.deployment.target import PROJECT_TAG
from seatrial.endpoint import EndpointState
from seatrial.errors import InputError
from seatrial.limits import Limits
from seatrial.readiness.facts import Account, Quota


def check_approved(package: dict[str, Any]) -> None:
    """InputError unless the model package is approved now."""
    status = package["ModelApprovalStatus"]
    if status != "Approved":
        raise InputError(
            f"the model package {package['ModelPackageArn']} is not approved",
            got=status,
            allowed="Approved",
            do="Approve it in the model registry: that starts the readiness pipeline",
        )


def check_endpoint(state: EndpointState | None, tags: dict[str, str], project: str) -> None:
    """InputError if the endpoint is not ours to change, or cannot become serverless."""
    if state is None:
        return
    if not state.serverless:
        raise InputError(
            f"{state.name} runs on instances, and AWS cannot make it serverless",
            got="a production variant without a serverless configuration",
            allowed="a serverless endpoint, or a name that is free",
            do="Set endpoint.name to a new one, move the clients there, then delete this one",
        )
    if tags.get(PROJECT_TAG) != project:
        owner = tags.get(PROJECT_TAG)
        raise InputError(
            f"the endpoint {state.name} is not this project's",
            got=f"its tag {PROJECT_TAG} is {owner!r}" if owner else f"it has no tag {PROJECT_TAG}",
            allowed=f"an endpoint of {project!r}, or a name that is free",
            do=f"Choose another endpoint.name, or tag it to hand it over: {PROJECT_TAG}={project}",
        )


def check_quotas(serverless: ServerlessConfiguration, account: Account, *, is_new: bool) -> None:
    """InputError if the account has no room for the endpoint."""
    if is_new:
        _check_quota("endpoints", account.other_endpoints + 1, account.endpoints)
    _check_quota(
        "requests at once over all serverless endpoints",
        account.other_concurrency + serverless.max_concurrency,
        account.total_concurrency,
    )
    _check_quota("MB of memory", serverless.memory_size_mb, account.memory_size_mb)


def _check_quota(what: str, wanted: float, quota: Quota) -> None:
    if wanted > quota.value:
        raise InputError(
            f"the account has not enough {what}",
            got=f"{wanted:g} with this endpoint",
            allowed=f"{quota.value:g} ({quota.source})",
            do="Delete an endpoint, ask for less, raise it in Service Quotas, or if it is higher, "
            "say so in the configuration's quotas",
        )


def overridden(
    recommended: ServerlessConfiguration, config: Config, limits: Limits
) -> ServerlessConfiguration:
    """What the verdict recommends, with what the configuration says otherwise.

    InputError if that is outside of the service's limits, or a smaller tier than was judged.
    """
    wanted = config.endpoint
    memory_size_mb = wanted.memory_size_mb or recommended.memory_size_mb
    if memory_size_mb < recommended.memory_size_mb:
        raise InputError(
            "endpoint.memory_size_mb is less than the verdict recommends",
            got=f"{memory_size_mb} MB",
            allowed=f"at least {recommended.memory_size_mb} MB, which the measured model needs",
            do="Leave it out, or judge the model again with it",
        )
    highest, provisioned = int(limits.max_concurrency.value), wanted.provisioned_concurrency
    if wanted.max_concurrency > highest:
        raise InputError(
            "endpoint.max_concurrency is over the service's limit",
            got=wanted.max_concurrency,
            allowed=f"1 to {highest}",
            do="Lower it",
        )
    if provisioned is not None and provisioned > wanted.max_concurrency:
        raise InputError(
            "endpoint.provisioned_concurrency is over endpoint.max_concurrency",
            got=provisioned,
            allowed=f"1 to {wanted.max_concurrency}",
            do="Lower it, or raise endpoint.max_concurrency",
        )
    return ServerlessConfiguration(
        memory_size_mb=memory_size_mb,
        max_concurrency=wanted.max_concurrency,
        provisioned_concurrency=provisioned,
    )


def endpoint_tags(state: EndpointState | None, sagemaker: Any) -> dict[str, str]:
    """The tags of the endpoint; none if there is no endpoint."""
    if state is None:
        return {}
    with explained(f"the tags of {state.name}", do="Allow sagemaker:ListTags"):
        tags = sagemaker.list_tags(ResourceArn=state.arn)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}
