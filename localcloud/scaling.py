"""Application Auto Scaling for one dimension: the provisioned concurrency of a serverless variant.

Scheduled actions are executed, through UpdateEndpointWeightsAndCapacities as on AWS. Policies of
target tracking are checked and kept, and not followed. Other namespaces are moto's.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from seatrial.localcloud.api import AwsError, Handler, NotOurs, Place, validation_error
from seatrial.localcloud.api_model import checked
from seatrial.localcloud.hosting import Deployment
from seatrial.localcloud.schedule_expressions import read_schedule

DIMENSION = "sagemaker:variant:DesiredProvisionedConcurrency"
METRIC = "SageMakerVariantProvisionedConcurrencyUtilization"
_RESOURCE = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")
_TARGET = "AnyScaleFrontendService."


@dataclass
class _Target:
    """What is scaled, within which bounds, and what changes those."""

    resource_id: str
    low: int
    high: int
    arn: str
    made_at: float
    tags: dict[str, str]
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    actions: dict[str, dict[str, Any]] = field(default_factory=dict)
    dues: dict[str, float | None] = field(default_factory=dict)


class Scaling:
    """The scalable targets. `serving` is what an endpoint serves now, `resize` changes it."""

    def __init__(
        self,
        place: Place,
        serving: Callable[[str], Deployment | None],
        resize: Handler,
        *,
        now: Callable[[], float],
    ) -> None:
        self._place, self._serving, self._resize, self._now = place, serving, resize, now
        self._targets: dict[str, _Target] = {}
        self._lock = threading.RLock()

    def handlers(self) -> dict[str, Handler]:
        """The calls for SageMaker; two of SageMaker's own see to what is registered."""
        calls: dict[str, Handler] = {
            "RegisterScalableTarget": self._register,
            "DeregisterScalableTarget": self._deregister,
            "DescribeScalableTargets": self._describe,
            "PutScheduledAction": self._put_action,
            "DeleteScheduledAction": self._delete_action,
            "DescribeScheduledActions": self._describe_actions,
            "PutScalingPolicy": self._put_policy,
            "DescribeScalingPolicies": self._describe_policies,
        }
        ours = {f"{_TARGET}{name}": self._ours(call) for name, call in calls.items()}
        return {
            **checked(ours, service="application-autoscaling"),
            f"{_TARGET}ListTagsForResource": self._list_tags,
            "SageMaker.UpdateEndpoint": self._refuse_update,
            "SageMaker.DeleteEndpoint": self._forget,
        }

    def tick(self) -> None:
        """Execute what is due, and bring each variant within its bounds."""
        with self._lock:
            targets, now = list(self._targets.values()), self._now()
            for target in targets:
                for name, at in target.dues.items():
                    if at is not None and at <= now:
                        self._execute(target, target.actions[name], now)
        for target in targets:
            self._bring_within(target)

    def _execute(self, target: _Target, action: dict[str, Any], now: float) -> None:
        bounds = action["ScalableTargetAction"]
        target.low = bounds.get("MinCapacity", target.low)
        target.high = bounds.get("MaxCapacity", target.high)
        target.dues[action["ScheduledActionName"]] = _due(action)(now + 1)

    def _bring_within(self, target: _Target) -> None:
        endpoint, variant = _names(target.resource_id)
        serving = self._serving(endpoint)
        if serving is None:
            return
        wanted = min(max(serving.provisioned, target.low), target.high)
        if wanted != serving.provisioned:
            update = {
                "VariantName": variant,
                "ServerlessUpdateConfig": {
                    "MaxConcurrency": serving.max_concurrency,
                    "ProvisionedConcurrency": wanted,
                },
            }
            request = {"EndpointName": endpoint, "DesiredWeightsAndCapacities": [update]}
            try:
                self._resize(request)
            except AwsError:
                return  # another change is under way: it is tried again with the next tick

    def _register(self, request: dict[str, Any]) -> dict[str, Any]:
        resource_id = request["ResourceId"]
        serving = self._variant(resource_id)
        with self._lock:
            there = self._targets.get(resource_id)
            low, high = _bounds(
                request.get("MinCapacity", there.low if there else None),
                request.get("MaxCapacity", there.high if there else None),
                serving.max_concurrency,
            )
            if there is None:
                number = f"scalable-target/{len(self._targets) + 1:032x}"
                arn = self._place.arn(number, service="application-autoscaling")
                there = _Target(resource_id, low, high, arn, self._now(), request.get("Tags", {}))
                self._targets[resource_id] = there
            there.low, there.high = low, high
            return {"ScalableTargetARN": there.arn}

    def _variant(self, resource_id: str) -> Deployment:
        endpoint, variant = _names(resource_id)
        serving = self._serving(endpoint)
        if serving is None or serving.variant_name != variant:
            raise validation_error(f"there is no {resource_id} in service")
        if not serving.provisioned:
            raise validation_error(
                f"{resource_id} has no ProvisionedConcurrency; give its endpoint configuration one"
            )
        return serving

    def _deregister(self, request: dict[str, Any]) -> dict[str, Any]:
        self._known(request)
        del self._targets[request["ResourceId"]]
        return {}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        wanted = request.get("ResourceIds")
        found = [
            {
                **_key(item),
                "MinCapacity": item.low,
                "MaxCapacity": item.high,
                "RoleARN": self._place.arn("role/aws-service-role/scaling", service="iam"),
                "CreationTime": item.made_at,
                "ScalableTargetARN": item.arn,
            }
            for item in list(self._targets.values())
            if not wanted or item.resource_id in wanted
        ]
        return {"ScalableTargets": found}

    def _put_action(self, request: dict[str, Any]) -> dict[str, Any]:
        target, bounds = self._known(request), request.get("ScalableTargetAction") or {}
        if "Schedule" not in request or not bounds:
            raise validation_error("give Schedule and ScalableTargetAction")
        low = bounds.get("MinCapacity", target.low)
        _bounds(low, bounds.get("MaxCapacity", target.high), None)
        name, now = request["ScheduledActionName"], self._now()
        action = {**request, "CreationTime": now}
        target.dues[name] = _due(action)(now)
        target.actions[name] = action
        return {}

    def _delete_action(self, request: dict[str, Any]) -> dict[str, Any]:
        target, name = self._known(request), request["ScheduledActionName"]
        if target.actions.pop(name, None) is None:
            raise AwsError("ObjectNotFoundException", f"localcloud: no scheduled action {name!r}")
        del target.dues[name]
        return {}

    def _describe_actions(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"ScheduledActions": self._parts(request, lambda item: item.actions)}

    def _describe_policies(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"ScalingPolicies": self._parts(request, lambda item: item.policies)}

    def _parts(
        self, request: dict[str, Any], of: Callable[[_Target], dict[str, dict[str, Any]]]
    ) -> list[dict[str, Any]]:
        wanted = request.get("ResourceId")
        return [
            part
            for item in list(self._targets.values())
            if wanted in (None, item.resource_id)
            for part in of(item).values()
        ]

    def _put_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        target, name = self._known(request), request["PolicyName"]
        tracking = request.get("TargetTrackingScalingPolicyConfiguration", {})
        metric = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
        if request.get("PolicyType") != "TargetTrackingScaling" or metric != METRIC:
            raise validation_error(f"only PolicyType TargetTrackingScaling of {METRIC} is known")
        arn = f"{target.arn.replace('scalable-target/', 'scalingPolicy:')}:policyName/{name}"
        made = {"PolicyARN": arn, "CreationTime": self._now()}
        target.policies[name] = {**request, **made}
        return {"PolicyARN": arn, "Alarms": []}

    def _list_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        for target in self._targets.values():
            if target.arn == request["ResourceARN"]:
                return {"Tags": target.tags}
        raise NotOurs

    def _known(self, request: dict[str, Any]) -> _Target:
        target = self._targets.get(request["ResourceId"])
        if target is None:
            raise AwsError(
                "ObjectNotFoundException",
                f"localcloud: {request['ResourceId']} is not registered; RegisterScalableTarget",
            )
        return target

    def _of(self, endpoint_name: str) -> list[str]:
        return [name for name in self._targets if _names(name)[0] == endpoint_name]

    def _refuse_update(self, request: dict[str, Any]) -> dict[str, Any]:
        if found := self._of(request.get("EndpointName", "")):
            raise validation_error(f"{found[0]} is a scalable target; deregister it first")
        raise NotOurs

    def _forget(self, request: dict[str, Any]) -> dict[str, Any]:
        for name in self._of(request.get("EndpointName", "")):
            del self._targets[name]
        raise NotOurs

    @staticmethod
    def _ours(call: Handler) -> Handler:
        def answer(request: dict[str, Any]) -> dict[str, Any]:
            if request["ServiceNamespace"] != "sagemaker":
                raise NotOurs
            if request.get("ScalableDimension", DIMENSION) != DIMENSION:
                raise validation_error(f"of SageMaker only {DIMENSION} is scaled")
            return call(request)

        return answer


def _names(resource_id: str) -> tuple[str, str]:
    found = _RESOURCE.fullmatch(resource_id)
    if found is None:
        raise validation_error(
            f"ResourceId is {resource_id!r}; allowed: endpoint/<name>/variant/<name>"
        )
    return found[1], found[2]


def _key(target: _Target) -> dict[str, Any]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": target.resource_id,
        "ScalableDimension": DIMENSION,
    }


def _bounds(low: int | None, high: int | None, most: int | None) -> tuple[int, int]:
    """Both, if they are given and in order."""
    if low is None or high is None or not 1 <= low <= high or (most and high > most):
        limit = f"MaxConcurrency {most}" if most else "MaxCapacity"
        raise validation_error(
            f"MinCapacity is {low}, MaxCapacity {high}; allowed: 1 to MinCapacity to {limit}"
        )
    return low, high


def _due(action: dict[str, Any]) -> Callable[[float], float | None]:
    start = float(action.get("StartTime") or action["CreationTime"])
    return read_schedule(action["Schedule"], start=start, timezone=action.get("Timezone", "UTC"))
