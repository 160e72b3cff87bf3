"""CreateEndpoint, UpdateEndpoint and their kin: the states, while hosting.py does the work.

Handlers run in worker threads, the work on the event loop. An update that fails leaves the endpoint
InService on what it served before, with a FailureReason, as on AWS.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from seatrial.localcloud.api import AwsError, Handler, Place, validation_error
from seatrial.localcloud.endpoint_configs import EndpointConfigs
from seatrial.localcloud.endpoint_rules import check_deployment_config, check_model
from seatrial.localcloud.endpoint_state import Endpoint, describe, summarise
from seatrial.localcloud.hosting import Deployment, DeploymentFailed, Hosting
from seatrial.localcloud.models import Models
from seatrial.localcloud.quotas import Quotas, Usage, check_quotas
from seatrial.localcloud.shelf import Shelf, check_name
from seatrial.localcloud.tags import Tags, check_tag_count

_log = logging.getLogger(__name__)
_IN_PROGRESS = ("Creating", "Updating", "Deleting")


class Endpoints:
    """The endpoints of the account."""

    def __init__(
        self,
        place: Place,
        models: Models,
        configs: EndpointConfigs,
        tags: Tags,
        quotas: Quotas,
        hosting: Hosting,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.shelf: Shelf[Endpoint] = Shelf(place, kind="endpoint", arn_type="endpoint")
        self._models, self._configs, self._tags = models, configs, tags
        self._quotas, self._hosting, self._loop = quotas, hosting, loop

    def handlers(self) -> dict[str, Handler]:
        """The calls that this answers."""
        return {
            "SageMaker.CreateEndpoint": self._create,
            "SageMaker.DescribeEndpoint": self._describe,
            "SageMaker.ListEndpoints": self._list,
            "SageMaker.UpdateEndpoint": self._update,
            "SageMaker.DeleteEndpoint": self._delete,
        }

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        check_name(name, "endpointName")
        check_deployment_config(request.get("DeploymentConfig"))
        check_tag_count(len(request.get("Tags", [])))
        deployment = self._deployment(request["EndpointConfigName"])
        now = datetime.now(UTC)
        with self.shelf.lock:
            self._check_quotas(name, deployment)
            self.shelf.add(Endpoint(name, "Creating", now, now, None, deployment))
        self._tags.put(self.shelf.arn(name), request.get("Tags", []))
        self._submit(self._bring_up(name, deployment))
        return {"EndpointArn": self.shelf.arn(name)}

    def _update(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        check_deployment_config(request.get("DeploymentConfig"))
        with self.shelf.lock:
            endpoint = self._idle_endpoint(name)
            if endpoint.serving is None:
                raise validation_error(
                    f"endpoint {name} is {endpoint.status}; only DeleteEndpoint can be called on it"
                )
            deployment = self._deployment(request["EndpointConfigName"])
            self._check_quotas(name, deployment)
            self._change(endpoint, status="Updating", pending=deployment, failure_reason=None)
        self._submit(self._bring_up(name, deployment))
        return {"EndpointArn": self.shelf.arn(name)}

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
        wanted = request.get("StatusEquals")
        return self.shelf.page(
            request,
            "Endpoints",
            self._summary,
            "EndpointName",
            keep=lambda item: wanted in (None, item.status),
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
        check_model(model)
        container, serverless = model.containers[0], config.variant["ServerlessConfig"]
        return Deployment(
            config_name=config.name,
            variant_name=config.variant["VariantName"],
            memory_mb=serverless["MemorySizeInMB"],
            max_concurrency=serverless["MaxConcurrency"],
            provisioned=serverless.get("ProvisionedConcurrency", 0),
            image_uri=container["Image"],
            archive_uri=container.get("ModelDataUrl"),
            environment=dict(container.get("Environment", {})),
        )

    def _check_quotas(self, name: str, deployment: Deployment) -> None:
        others = [item for item in self.shelf.items() if item.name != name]
        current = self.shelf.find(name)
        check_quotas(
            self._quotas,
            Usage(sum(item.reserved_concurrency for item in others), len(others)),
            memory_mb=deployment.memory_mb,
            concurrency=deployment.max_concurrency,
            replaces=current.reserved_concurrency if current else None,
        )

    def _change(self, endpoint: Endpoint, **fields: Any) -> None:
        self.shelf.replace(replace(endpoint, modified_at=datetime.now(UTC), **fields))

    def _submit(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(_logged(work), self._loop)

    async def _bring_up(self, name: str, deployment: Deployment) -> None:
        try:
            await self._hosting.deploy(name, deployment)
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
