"""Provisioned concurrency on a schedule and by use: Application Auto Scaling, as calls to make.

What scales changes the concurrency of the endpoint by itself. The number that was deployed is a tag
of the scalable target, so that the same deployment is still known for what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from seatrial.aws import explained
from seatrial.config import WarmConfig
from seatrial.contracts import Action, Serving
from seatrial.endpoint import EndpointState

SERVICE = "application-autoscaling"
DIMENSION = "sagemaker:variant:DesiredProvisionedConcurrency"
METRIC = "SageMakerVariantProvisionedConcurrencyUtilization"
DEPLOYED_TAG = "seatrial:provisioned-concurrency"
POLICY = "seatrial-utilization"


def resource_id(endpoint_name: str, variant_name: str) -> str:
    """How Application Auto Scaling names a variant."""
    return f"endpoint/{endpoint_name}/variant/{variant_name}"


def find_targets(endpoint_name: str, clients: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The endpoint's variants that are scaled, whatever they are called."""
    prefix = resource_id(endpoint_name, "")
    with explained(f"what scales {endpoint_name}", do=f"Allow {SERVICE}:DescribeScalableTargets"):
        pages = (
            clients[SERVICE]
            .get_paginator("describe_scalable_targets")
            .paginate(ServiceNamespace="sagemaker", ScalableDimension=DIMENSION)
        )
        found = [item for page in pages for item in page["ScalableTargets"]]
    return [item for item in found if item["ResourceId"].startswith(prefix)]


def as_deployed(state: EndpointState | None, clients: Mapping[str, Any]) -> EndpointState | None:
    """The state with the concurrency that was deployed, where it has been scaled since."""
    serving = state.serving if state else None
    if state is None or serving is None or serving.provisioned_concurrency is None:
        return state
    for target in find_targets(state.name, clients):
        with explained(f"what was deployed of {state.name}", do=f"Allow {SERVICE}:ListTags…"):
            tags = clients[SERVICE].list_tags_for_resource(ResourceARN=target["ScalableTargetARN"])
        if deployed := tags["Tags"].get(DEPLOYED_TAG):
            known = serving.model_copy(update={"provisioned_concurrency": int(deployed)})
            return replace(state, serving=known)
    return state


def plan_release(endpoint_name: str, clients: Mapping[str, Any]) -> list[Action]:
    """Let go of what scales the endpoint, with its policy and schedule: it may be changed then."""
    return [
        _action("deregister_scalable_target", target["ResourceId"])
        for target in find_targets(endpoint_name, clients)
    ]


def plan_scaling(
    endpoint_name: str,
    variant_name: str,
    serving: Serving,
    warm: WarmConfig,
    clients: Mapping[str, Any],
) -> list[Action]:
    """The calls that make the variant scale as `warm` says; none if it does already."""
    name = resource_id(endpoint_name, variant_name)
    there = {item["ResourceId"]: item for item in find_targets(endpoint_name, clients)}
    others = [_action("deregister_scalable_target", item) for item in there if item != name]
    target = there.get(name)
    wanted = list(_parts(name, warm))
    if target is None:
        return [*others, _registration(name, serving, warm), *wanted]
    kept = _kept(name, clients)
    actions = [item for item in wanted if not _is_there(item, kept)]
    names = {item.parameters.get("ScheduledActionName") for item in wanted}
    stale = [key for kind, key in kept if kind == "action" and key not in names]
    gone = [_action("delete_scheduled_action", name, ScheduledActionName=key) for key in stale]
    bounds = {(warm.min_concurrency, warm.max_concurrency)}
    # what a scheduled action has set is as it should be
    bounds |= {(item.min_concurrency, item.max_concurrency) for item in warm.schedule}
    if (target["MinCapacity"], target["MaxCapacity"]) not in bounds:
        actions.insert(0, _registration(name, serving, warm))
    return [*others, *gone, *actions]


def _registration(name: str, serving: Serving, warm: WarmConfig) -> Action:
    return _action(
        "register_scalable_target",
        name,
        MinCapacity=warm.min_concurrency,
        MaxCapacity=warm.max_concurrency,
        Tags={DEPLOYED_TAG: str(serving.provisioned_concurrency)},
    )


def _parts(name: str, warm: WarmConfig) -> Iterator[Action]:
    if warm.utilization is not None:
        tracking = {
            "TargetValue": warm.utilization,
            "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
        }
        yield _action(
            "put_scaling_policy",
            name,
            PolicyName=POLICY,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=tracking,
        )
    for number, item in enumerate(warm.schedule, start=1):
        yield _action(
            "put_scheduled_action",
            name,
            ScheduledActionName=f"seatrial-{number}",
            Schedule=item.at,
            Timezone=warm.timezone,
            ScalableTargetAction={
                "MinCapacity": item.min_concurrency,
                "MaxCapacity": item.max_concurrency,
            },
        )


def _kept(name: str, clients: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    about = {"ServiceNamespace": "sagemaker", "ResourceId": name}
    scaling = clients[SERVICE]
    with explained(f"how {name} is scaled", do=f"Allow {SERVICE}:DescribeSc…"):
        actions = scaling.describe_scheduled_actions(**about)["ScheduledActions"]
        policies = scaling.describe_scaling_policies(**about)["ScalingPolicies"]
    return {
        **{("action", item["ScheduledActionName"]): item for item in actions},
        **{("policy", item["PolicyName"]): item for item in policies},
    }


def _is_there(action: Action, kept: dict[tuple[str, str], dict[str, Any]]) -> bool:
    wanted = action.parameters
    key = (
        ("policy", wanted["PolicyName"])
        if "PolicyName" in wanted
        else ("action", wanted["ScheduledActionName"])
    )
    return key in kept and wanted.items() <= kept[key].items()


def _action(method: str, name: str, **more: Any) -> Action:
    about = {"ServiceNamespace": "sagemaker", "ResourceId": name, "ScalableDimension": DIMENSION}
    return Action(service=SERVICE, method=method, parameters={**about, **more})
