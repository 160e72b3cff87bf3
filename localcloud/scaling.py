"""Application Auto Scaling for one dimension: the provisioned concurrency of a serverless variant.

Scheduled actions are executed, through UpdateEndpointWeightsAndCapacities as on AWS. Policies of
target tracking are checked and kept, and not followed. Other namespaces are moto's.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

from seatrial.localcloud.api import AwsError, Handler, NotOurs, Place, validation_error
from seatrial.localcloud.api_model import checked
from seatrial.localcloud.hosting import Deployment
from seatrial.localcloud.scaling_parts import ScalingParts, known
from seatrial.localcloud.scaling_rules import (
    DIMENSION,
    Target,
    bounds_within,
    described,
    due_of,
    names_in,
)

_PREFIX = "AnyScaleFrontendService."


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
        self._targets: dict[str, Target] = {}
        self._parts = ScalingParts(self._targets, now=now)
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)

    def handlers(self) -> dict[str, Handler]:
        """The calls for SageMaker; two of SageMaker's own see to what is registered."""
        calls: dict[str, Handler] = {
            "RegisterScalableTarget": self._register,
            "DeregisterScalableTarget": self._deregister,
            "DescribeScalableTargets": self._describe,
            **self._parts.handlers(),
        }
        ours = {f"{_PREFIX}{name}": self._ours(call) for name, call in calls.items()}
        return {
            **checked(ours, service="application-autoscaling"),
            f"{_PREFIX}ListTagsForResource": self._list_tags,
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

    def _execute(self, target: Target, action: dict[str, Any], now: float) -> None:
        bounds = action["ScalableTargetAction"]
        target.low = bounds.get("MinCapacity", target.low)
        target.high = bounds.get("MaxCapacity", target.high)
        target.dues[action["ScheduledActionName"]] = due_of(action)(now + 1)

    def _bring_within(self, target: Target) -> None:
        endpoint, variant = names_in(target.resource_id)
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
        there = self._targets.get(resource_id)
        low, high = bounds_within(
            request.get("MinCapacity", there.low if there else None),
            request.get("MaxCapacity", there.high if there else None),
            serving.max_concurrency,
        )
        if there is None:
            number = f"scalable-target/{next(self._numbers):032x}"
            arn = self._place.arn(number, service="application-autoscaling")
            there = Target(resource_id, low, high, arn, self._now(), request.get("Tags", {}))
            self._targets[resource_id] = there
        there.low, there.high = low, high
        return {"ScalableTargetARN": there.arn}

    def _variant(self, resource_id: str) -> Deployment:
        endpoint, variant = names_in(resource_id)
        serving = self._serving(endpoint)
        if serving is None or serving.variant_name != variant:
            raise validation_error(f"there is no {resource_id} in service")
        if not serving.provisioned:
            raise validation_error(
                f"{resource_id} has no ProvisionedConcurrency; give its endpoint configuration one"
            )
        return serving

    def _deregister(self, request: dict[str, Any]) -> dict[str, Any]:
        known(self._targets, request)
        del self._targets[request["ResourceId"]]
        return {}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        wanted = request.get("ResourceIds")
        role = self._place.arn("role/aws-service-role/scaling", service="iam")
        targets = list(self._targets.values())
        found = [item for item in targets if not wanted or item.resource_id in wanted]
        return {"ScalableTargets": [described(item, role) for item in found]}

    def _list_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        for target in self._targets.values():
            if target.arn == request["ResourceARN"]:
                return {"Tags": target.tags}
        raise NotOurs

    def _of(self, endpoint_name: str) -> list[str]:
        return [name for name in self._targets if names_in(name)[0] == endpoint_name]

    def _refuse_update(self, request: dict[str, Any]) -> dict[str, Any]:
        if found := self._of(request.get("EndpointName", "")):
            raise validation_error(f"{found[0]} is a scalable target; deregister it first")
        raise NotOurs

    def _forget(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            for name in self._of(request.get("EndpointName", "")):
                del self._targets[name]
        raise NotOurs

    def _ours(self, call: Handler) -> Handler:
        def answer(request: dict[str, Any]) -> dict[str, Any]:
            if request["ServiceNamespace"] != "sagemaker":
                raise NotOurs
            if request.get("ScalableDimension", DIMENSION) != DIMENSION:
                raise validation_error(f"of SageMaker only {DIMENSION} is scaled")
            with self._lock:  # `tick` walks through what the calls change
                return call(request)

        return answer
