"""Carries out actions on one endpoint, for as long as it holds the endpoint's lease."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seatrial.contracts import Action, Serving
from seatrial.deployment.existing import find_endpoint_config
from seatrial.deployment.performing import perform
from seatrial.deployment.planning import delete_endpoint, plan_change
from seatrial.deployment.scaling import as_deployed, plan_release
from seatrial.endpoint import EndpointState, wait_until_settled
from seatrial.errors import DeploymentError
from seatrial.lease import Lease


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
