"""Carries out actions on one endpoint, for as long as it holds the endpoint's lease.

An answer that was lost, or a retry of boto3 after one, looks like a failure of a call that took
effect. So a call that failed is looked up before it counts as failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seatrial.aws import explained
from seatrial.contracts import Action, Serving
from seatrial.deployment.existing import find_endpoint_config, found
from seatrial.deployment.planning import delete_endpoint, plan_change
from seatrial.deployment.scaling import as_deployed, find_targets, plan_release
from seatrial.deployment.schedule import find_schedule
from seatrial.deployment.visibility import WAITS_S, not_seen_yet, still_refused
from seatrial.endpoint import EndpointState, find_endpoint, wait_until_settled
from seatrial.errors import CloudError, DeploymentError
from seatrial.lease import Lease

_DELETIONS = (
    *("delete_endpoint", "delete_endpoint_config", "delete_model", "delete_schedule"),
    "deregister_scalable_target",
)


@dataclass(frozen=True)
class Pace:
    """How often AWS is asked, and whose clock is read."""

    poll_s: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time  # seconds since 1970

    def now(self) -> datetime:
        """The present, UTC."""
        return datetime.fromtimestamp(self.clock(), UTC)


@dataclass(frozen=True)
class Operator:
    """One endpoint, and what it takes to change it."""

    endpoint_name: str
    clients: Mapping[str, Any]
    lease: Lease
    pace: Pace

    @property
    def sagemaker(self) -> Any:
        """SageMaker's client."""
        return self.clients["sagemaker"]

    def settle(self) -> EndpointState | None:
        """The endpoint, once no change is under way; None if there is none."""
        state = wait_until_settled(
            self.endpoint_name, self.sagemaker, poll_s=self.pace.poll_s, sleep=self.pause
        )
        return as_deployed(state, self.clients)

    def pause(self, seconds: float) -> None:
        """Sleep, without losing the lease meanwhile."""
        self.lease.keep()
        self.pace.sleep(seconds)

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Make the calls in order, each change of the endpoint waited for.

        What scales the endpoint is let go of first: AWS refuses a change until then.
        """
        for action in actions:
            self.lease.keep()
            of_endpoint = "EndpointName" in action.parameters and action.service == "sagemaker"
            if of_endpoint and action.method != "create_endpoint":
                self._let_go()
            perform(action, self.clients, sleep=self.pause)
            if of_endpoint:
                self.settle()

    def _let_go(self) -> None:
        releases = plan_release(self.endpoint_name, self.clients)
        for release in releases:
            perform(release, self.clients)
        if releases:
            self.settle()  # it may have been scaling the endpoint at that moment

    def serve(self, wanted: Serving | None) -> EndpointState | None:
        """Bring the endpoint to `wanted`, from wherever it is; None: delete it.

        DeploymentError unless it is in service on exactly that afterwards.
        """
        state = self.settle()
        if wanted is None:
            if state is not None:
                self.carry_out([delete_endpoint(self.endpoint_name)])
            return None
        if state is not None and state.serving is not None and state.serving != wanted:
            variant = state.variant_name or ""
            by_config = find_endpoint_config(wanted.endpoint_config_name, self.sagemaker)
            self.carry_out(plan_change(state, variant, wanted, by_config or wanted))
            state = self.settle()
        check_serves(self.endpoint_name, wanted, state)
        return state


def check_serves(endpoint_name: str, wanted: Serving, state: EndpointState | None) -> None:
    """DeploymentError unless the endpoint is in service on `wanted`.

    The service can go back by itself: the endpoint is then InService on the old configuration.
    """
    if state is not None and state.status == "InService" and state.serving == wanted:
        return
    seen = "no endpoint" if state is None else f"{state.status} on {_say(state.serving)}"
    reason = f" ({state.failure_reason})" if state and state.failure_reason else ""
    raise DeploymentError(
        f"{endpoint_name} does not serve the wanted configuration",
        got=seen + reason,
        allowed=f"InService on {_say(wanted)}",
        do=f"Look into the log group /aws/sagemaker/Endpoints/{endpoint_name}",
    )


def _say(serving: Serving | None) -> str:
    if serving is None:
        return "no configuration"
    provisioned = serving.provisioned_concurrency
    more = "" if provisioned is None else f", {provisioned} provisioned"
    return f"{serving.endpoint_config_name} ({serving.max_concurrency} at once{more})"


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
