"""CreateEndpoint, UpdateEndpoint and their kin: the states, while hosting.py does the work.

Handlers run in worker threads, the work on the event loop. An update that fails leaves the endpoint
InService on what it served before, with a FailureReason, as on AWS.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from seatrial.limits import load_limits
from seatrial.localcloud.api import AwsError, Handler, Place, validation_error
from seatrial.localcloud.api_model import checked
from seatrial.localcloud.deployments import deployment_of, with_capacity
from seatrial.localcloud.endpoint_configs import EndpointConfigs
from seatrial.localcloud.endpoint_rules import check_deployment_config
from seatrial.localcloud.endpoint_state import Endpoint, describe, is_wanted, summarise
from seatrial.localcloud.hosting import Deployment, DeploymentFailed, Hosting
from seatrial.localcloud.models import Models
from seatrial.localcloud.quotas import AccountQuotas, Usage, check_quotas
from seatrial.localcloud.shelf import Shelf
from seatrial.localcloud.tags import Tags

_log = logging.getLogger(__name__)
_IN_PROGRESS = ("Creating", "Updating", "Deleting")


class Endpoints:
    """The endpoints of the account; `changed` is told of each new state, from any thread."""

    def __init__(
        self,
        place: Place,
        models: Models,
        configs: EndpointConfigs,
        tags: Tags,
        quotas: AccountQuotas,
        hosting: Hosting,
        loop: asyncio.AbstractEventLoop,
        changed: Callable[[Endpoint], None] = lambda _: None,
    ) -> None:
        self.shelf: Shelf[Endpoint] = Shelf(place, kind="endpoint", arn_type="endpoint")
        self._models, self._configs, self._tags = models, configs, tags
        self._quotas, self._hosting, self._loop = quotas, hosting, loop
        self._limits, self._changed = load_limits(), changed

    def handlers(self) -> dict[str, Handler]:
        """The calls that this answers."""
        return checked(
            {
                "SageMaker.CreateEndpoint": self._create,
                "SageMaker.DescribeEndpoint": self._describe,
                "SageMaker.ListEndpoints": self._list,
                "SageMaker.UpdateEndpoint": self._update,
                "SageMaker.UpdateEndpointWeightsAndCapacities": self._update_capacity,
                "SageMaker.DeleteEndpoint": self._delete,
            }
        )

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        check_deployment_config(request.get("DeploymentConfig"))
        deployment = self._deployment(request["EndpointConfigName"])
        now = datetime.now(UTC)
        with self.shelf.lock:
            self._check_quotas(name, deployment)
            endpoint = Endpoint(name, "Creating", now, now, None, deployment)
            self.shelf.add(endpoint)
            self._changed(endpoint)
        self._tags.put(self.shelf.arn(name), request.get("Tags", []))
        self._submit(self._bring_up(name, deployment))
        return {"EndpointArn": self.shelf.arn(name)}

    def _update(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        check_deployment_config(request.get("DeploymentConfig"))
        with self.shelf.lock:
            self._serving(name)
            deployment = self._deployment(request["EndpointConfigName"])
            self._begin_update(name, deployment)
        self._submit(self._bring_up(name, deployment))
        return {"EndpointArn": self.shelf.arn(name)}

    def _update_capacity(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        with self.shelf.lock:
            deployment = with_capacity(
                self._serving(name), request["DesiredWeightsAndCapacities"], self._limits
            )
            self._begin_update(name, deployment)
        self._submit(self._bring_up(name, deployment, in_place=True))
        return {"EndpointArn": self.shelf.arn(name)}

    def _begin_update(self, name: str, deployment: Deployment) -> None:
        self._check_quotas(name, deployment)
        self._change(
            self.shelf.get(name), status="Updating", pending=deployment, failure_reason=None
        )

    def _serving(self, name: str) -> Deployment:
        """What the endpoint serves and may change from; AwsError if it does not or may not."""
        endpoint = self._idle_endpoint(name)
        if endpoint.serving is None:
            raise validation_error(
                f"endpoint {name} is {endpoint.status}; only DeleteEndpoint can be called on it"
            )
        return endpoint.serving

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        with self.shelf.lock:
            endpoint = self._idle_endpoint(request["EndpointName"])
            self._change(endpoint, status="Deleting")
        self._submit(self._take_down(endpoint.name))
        return {}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        endpoint = self.shelf.get(request["EndpointName"])
        return describe(endpoint, self.shelf.arn(endpoint.name))

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        return self.shelf.page(
            request,
            "Endpoints",
            self._summary,
            {"Name": "EndpointName", "Status": "EndpointStatus"},
            keep=lambda endpoint: is_wanted(endpoint, request),
        )

    def _summary(self, endpoint: Endpoint) -> dict[str, Any]:
        return summarise(endpoint, self.shelf.arn(endpoint.name))

    def _idle_endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name; AwsError while something is being done to it."""
        endpoint = self.shelf.get(name)
        if endpoint.status in _IN_PROGRESS:
            raise AwsError(
                "ValidationException",
                f'Cannot update in-progress endpoint "{self.shelf.arn(name)}".',
            )
        return endpoint

    def _deployment(self, config_name: str) -> Deployment:
        config = self._configs.shelf.get(config_name)
        model = self._models.shelf.get(config.variant["ModelName"])
        return deployment_of(config, model)

    def _check_quotas(self, name: str, deployment: Deployment) -> None:
        others = [item for item in self.shelf.items() if item.name != name]
        current = self.shelf.find(name)
        check_quotas(
            self._quotas.current,
            Usage(sum(item.reserved_concurrency for item in others), len(others)),
            memory_mb=deployment.memory_mb,
            concurrency=deployment.max_concurrency,
            replaces=current.reserved_concurrency if current else None,
        )

    def _change(self, endpoint: Endpoint, **fields: Any) -> None:
        changed = replace(endpoint, modified_at=datetime.now(UTC), **fields)
        self.shelf.replace(changed)
        self._changed(changed)

    def _submit(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(_logged(work), self._loop)

    async def _bring_up(self, name: str, deployment: Deployment, *, in_place: bool = False) -> None:
        work = self._hosting.resize if in_place else self._hosting.deploy
        try:
            await work(name, deployment)
        except DeploymentFailed as error:
            self._failed(name, str(error))
        except Exception as error:
            _log.exception("endpoint %s", name)
            self._failed(name, f"localcloud: {type(error).__name__}: {error}")
        else:
            endpoint = self.shelf.get(name)
            self._change(endpoint, status="InService", serving=deployment, pending=None)

    def _failed(self, name: str, reason: str) -> None:
        endpoint = self.shelf.get(name)
        if endpoint.serving is None:
            self._change(endpoint, status="Failed", failure_reason=reason)
        else:
            self._change(endpoint, status="InService", pending=None, failure_reason=reason)

    async def _take_down(self, name: str) -> None:
        await self._hosting.remove(name)
        self._tags.forget(self.shelf.arn(name))
        self.shelf.remove(name)


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        _log.exception("work on an endpoint failed")
        raise
