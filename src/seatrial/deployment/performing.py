"""Makes one call, and finds out whether it took effect.

An answer that was lost, or a retry of boto3 after one, looks like a failure of a call that took
effect. So a call that failed is looked up before it counts as failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from seatrial.aws import explained
from seatrial.contracts import Action
from seatrial.deployment.existing import find_endpoint_config, found
from seatrial.deployment.scaling import find_targets
from seatrial.deployment.schedule import find_schedule
from seatrial.deployment.visibility import WAITS_S, not_seen_yet, still_refused
from seatrial.endpoint import EndpointState, find_endpoint
from seatrial.errors import CloudError

_DELETIONS = (
    *("delete_endpoint", "delete_endpoint_config", "delete_model", "delete_schedule"),
    "deregister_scalable_target",
)


def perform(
    action: Action, clients: Mapping[str, Any], *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Make the call. CloudError if it failed, and has not taken effect either.

    What AWS may only not see yet is tried again, for a minute.
    """
    for wait_s in (*WAITS_S, None):
        refusal = _attempt(action, clients)
        if refusal is None:
            return
        if not not_seen_yet(action, refusal):
            raise refusal
        if wait_s is None:
            raise still_refused(action, refusal) from refusal
        sleep(wait_s)


def _attempt(action: Action, clients: Mapping[str, Any]) -> CloudError | None:
    """Make the call once; what was said if it failed and has not taken effect."""
    doing = f"{action.service}:{action.method}"
    try:
        with explained(doing, do="Check the job role's permissions and the account's quotas"):
            getattr(clients[action.service], action.method)(**action.parameters)
    except CloudError as error:
        return None if took_effect(action, clients) else error
    return None


def took_effect(action: Action, clients: Mapping[str, Any]) -> bool:
    """Whether what the call was to bring about is there now, or on its way."""
    sagemaker, wanted = clients["sagemaker"], action.parameters
    with explained(f"what became of {action.method}", do="Run it again: that finishes it"):
        match action.method:
            case "create_model" | "delete_model":
                there = found(lambda: sagemaker.describe_model(ModelName=wanted["ModelName"]))
            case "create_endpoint_config" | "delete_endpoint_config":
                there = find_endpoint_config(wanted["EndpointConfigName"], sagemaker)
            case "create_log_group":
                name = wanted["logGroupName"]
                groups = clients["logs"].describe_log_groups(logGroupNamePrefix=name)["logGroups"]
                there = name in [group["logGroupName"] for group in groups] or None
            case "create_delivery_stream":
                name = wanted["DeliveryStreamName"]
                firehose = clients["firehose"]
                there = found(lambda: firehose.describe_delivery_stream(DeliveryStreamName=name))
            case "deregister_scalable_target":
                there = wanted["ResourceId"] in _scaled(wanted["ResourceId"], clients) or None
            case "create_schedule" | "delete_schedule":
                there = find_schedule(wanted["Name"], clients["scheduler"])
            case "create_endpoint" | "update_endpoint" | "delete_endpoint":
                there = _endpoint_on_its_way(action, sagemaker)
            case "update_endpoint_weights_and_capacities":
                state = find_endpoint(wanted["EndpointName"], sagemaker)
                there = True if state is not None and state.status == "Updating" else None
            case _:
                return False  # a put: sent again, it does the same
    return (there is None) == (action.method in _DELETIONS)


def _scaled(resource_id: str, clients: Mapping[str, Any]) -> list[str]:
    endpoint_name = resource_id.split("/")[1]
    return [item["ResourceId"] for item in find_targets(endpoint_name, clients)]


def _endpoint_on_its_way(action: Action, sagemaker: Any) -> EndpointState | None:
    state = find_endpoint(action.parameters["EndpointName"], sagemaker)
    if state is None or action.method == "delete_endpoint":
        return None if state is None or state.status == "Deleting" else state
    names = (state.endpoint_config_name, state.pending_config_name)
    return state if action.parameters["EndpointConfigName"] in names else None
