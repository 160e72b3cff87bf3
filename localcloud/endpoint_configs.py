"""CreateEndpointConfig and its kin: which model, in how much memory, how many at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seatrial.limits import Limits
from seatrial.localcloud.api import Handler, Place
from seatrial.localcloud.api_model import checked
from seatrial.localcloud.endpoint_rules import check_endpoint_config, check_model
from seatrial.localcloud.models import Models
from seatrial.localcloud.shelf import Shelf
from seatrial.localcloud.tags import Tags


@dataclass(frozen=True)
class EndpointConfig:
    """An endpoint configuration as it was created; it never changes."""

    request: dict[str, Any]
    created_at: datetime

    @property
    def name(self) -> str:
        """Its name."""
        name: str = self.request["EndpointConfigName"]
        return name

    @property
    def variant(self) -> dict[str, Any]:
        """The one production variant."""
        variant: dict[str, Any] = self.request["ProductionVariants"][0]
        return variant


class EndpointConfigs:
    """The endpoint configurations of the account."""

    def __init__(self, place: Place, models: Models, tags: Tags, limits: Limits) -> None:
        self.shelf: Shelf[EndpointConfig] = Shelf(
            place, kind="endpoint configuration", arn_type="endpoint-config"
        )
        self._models, self._tags, self._limits = models, tags, limits

    def handlers(self) -> dict[str, Handler]:
        """The calls that this answers."""
        return checked(
            {
                "SageMaker.CreateEndpointConfig": self._create,
                "SageMaker.DescribeEndpointConfig": self._describe,
                "SageMaker.ListEndpointConfigs": self._list,
                "SageMaker.DeleteEndpointConfig": self._delete,
            }
        )

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        check_endpoint_config(request, self._limits)
        config = EndpointConfig(request, datetime.now(UTC))
        check_model(self._models.shelf.get(config.variant["ModelName"]))
        self.shelf.add(config)
        arn = self.shelf.arn(config.name)
        self._tags.put(arn, request.get("Tags", []))
        return {"EndpointConfigArn": arn}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        config = self.shelf.get(request["EndpointConfigName"])
        shown = {key: value for key, value in config.request.items() if key != "Tags"}
        return {
            **shown,
            "EndpointConfigArn": self.shelf.arn(config.name),
            "CreationTime": config.created_at,
            "EnableNetworkIsolation": False,
        }

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        return self.shelf.page(
            request,
            "EndpointConfigs",
            lambda config: {
                "EndpointConfigName": config.name,
                "EndpointConfigArn": self.shelf.arn(config.name),
                "CreationTime": config.created_at,
            },
            {"Name": "EndpointConfigName"},
        )

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        # AWS asks not to delete one in use but does not refuse; the endpoint keeps its own copy.
        config = self.shelf.remove(request["EndpointConfigName"])
        self._tags.forget(self.shelf.arn(config.name))
        return {}
