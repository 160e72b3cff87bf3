"""What goes when an endpoint goes: all that watches it or keeps it warm; logs and records stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.aws import explained
from seatrial.contracts import Action
from seatrial.deployment import alarms, schedule
from seatrial.deployment.existing import found
from seatrial.deployment.operator import Operator
from seatrial.deployment.planning import delete_endpoint
from seatrial.deployment.refusals import check_endpoint, endpoint_tags
from seatrial.deployment.review_schedule import review_schedule_name
from seatrial.deployment.scaling import plan_release
from seatrial.deployment.target import log_group, stream_name
from seatrial.deployment.warming import ping_schedule_name
from seatrial.endpoint import find_endpoint


def plan_removal(endpoint_name: str, clients: Mapping[str, Any]) -> list[Action]:
    """The deletion of what is there of it, the endpoint itself and its records' way apart."""
    names = (
        schedule.schedule_name(endpoint_name),
        review_schedule_name(endpoint_name),
        ping_schedule_name(endpoint_name),
    )
    return [
        *(item for name in names for item in schedule.plan_removal(name, clients["scheduler"])),
        *plan_release(endpoint_name, clients),
        *alarms.plan_removal(endpoint_name, clients["cloudwatch"]),
    ]


def plan_whole_removal(
    endpoint_name: str, project: str, clients: Mapping[str, Any]
) -> list[Action]:
    """The endpoint with all that goes with it; InputError if it is not the project's."""
    state = find_endpoint(endpoint_name, clients["sagemaker"])
    check_endpoint(state, endpoint_tags(state, clients["sagemaker"]), project)
    return [
        *plan_removal(endpoint_name, clients),
        *([] if state is None else [delete_endpoint(endpoint_name)]),
        *_plan_records_end(endpoint_name, clients),
    ]


def remove(operator: Operator, project: str) -> list[Action]:
    """Remove the endpoint with all that goes with it; run again, it does what is left."""
    operator.settle()
    actions = plan_whole_removal(operator.endpoint_name, project, operator.clients)
    operator.carry_out(actions)
    return actions


def _plan_records_end(endpoint_name: str, clients: Mapping[str, Any]) -> list[Action]:
    """No more lines go to S3; the lines and the records that there are stay."""
    group, stream = log_group(endpoint_name), stream_name(endpoint_name)
    logs, firehose = clients["logs"], clients["firehose"]
    actions = []
    with explained(f"the log of {endpoint_name}", do="Allow logs:Describe…, firehose:Describe…"):
        groups = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        filters: list[dict[str, Any]] = []
        if any(item["logGroupName"] == group for item in groups):
            filters = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
        there = found(lambda: firehose.describe_delivery_stream(DeliveryStreamName=stream))
    for item in filters:
        if item["destinationArn"].endswith(f":deliverystream/{stream}"):
            parameters = {"logGroupName": group, "filterName": item["filterName"]}
            actions.append(
                Action(service="logs", method="delete_subscription_filter", parameters=parameters)
            )
    if there is not None:
        name = {"DeliveryStreamName": stream}
        actions.append(Action(service="firehose", method="delete_delivery_stream", parameters=name))
    return actions
