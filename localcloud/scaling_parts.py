"""What hangs on a scalable target: scheduled actions and policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seatrial.localcloud.api import AwsError, Handler, validation_error
from seatrial.localcloud.scaling_rules import Target, bounds_within, check_policy, due_of


class ScalingParts:
    """The parts of the targets, which somebody else registers and forgets."""

    def __init__(self, targets: dict[str, Target], *, now: Callable[[], float]) -> None:
        self._targets, self._now = targets, now

    def handlers(self) -> dict[str, Handler]:
        """The calls, by their names."""
        return {
            "PutScheduledAction": self._put_action,
            "DeleteScheduledAction": self._delete_action,
            "DescribeScheduledActions": self._describe_actions,
            "PutScalingPolicy": self._put_policy,
            "DescribeScalingPolicies": self._describe_policies,
        }

    def _put_action(self, request: dict[str, Any]) -> dict[str, Any]:
        target, bounds = known(self._targets, request), request.get("ScalableTargetAction") or {}
        if "Schedule" not in request or not bounds:
            raise validation_error("give Schedule and ScalableTargetAction")
        low = bounds.get("MinCapacity", target.low)
        bounds_within(low, bounds.get("MaxCapacity", target.high), None)
        name, now = request["ScheduledActionName"], self._now()
        action = {**request, "CreationTime": now}
        target.dues[name] = due_of(action)(now)
        target.actions[name] = action
        return {}

    def _delete_action(self, request: dict[str, Any]) -> dict[str, Any]:
        target, name = known(self._targets, request), request["ScheduledActionName"]
        if target.actions.pop(name, None) is None:
            raise AwsError("ObjectNotFoundException", f"localcloud: no scheduled action {name!r}")
        del target.dues[name]
        return {}

    def _describe_actions(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"ScheduledActions": self._all(request, "actions")}

    def _describe_policies(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"ScalingPolicies": self._all(request, "policies")}

    def _all(self, request: dict[str, Any], kind: str) -> list[dict[str, Any]]:
        targets, wanted = list(self._targets.values()), request.get("ResourceId")
        chosen = [item for item in targets if wanted in (None, item.resource_id)]
        return [part for item in chosen for part in getattr(item, kind).values()]

    def _put_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        target, name = known(self._targets, request), request["PolicyName"]
        check_policy(request)
        arn = f"{target.arn.replace('scalable-target/', 'scalingPolicy:')}:policyName/{name}"
        made = {"PolicyARN": arn, "CreationTime": self._now()}
        target.policies[name] = {**request, **made}
        return {"PolicyARN": arn, "Alarms": []}


def known(targets: dict[str, Target], request: dict[str, Any]) -> Target:
    """The target that the request names."""
    target = targets.get(request["ResourceId"])
    if target is None:
        raise AwsError(
            "ObjectNotFoundException",
            f"localcloud: {request['ResourceId']} is not registered; RegisterScalableTarget",
        )
    return target
