"""CreateModel and its kin: what a container is to run, and with which archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seatrial.localcloud.api import AwsError, Handler, Place, validation_error
from seatrial.localcloud.api_model import checked
from seatrial.localcloud.images import ImageMap
from seatrial.localcloud.shelf import Shelf
from seatrial.localcloud.tags import Tags


@dataclass(frozen=True)
class Model:
    """A model as it was created; it never changes."""

    request: dict[str, Any]
    created_at: datetime

    @property
    def name(self) -> str:
        """Its name."""
        name: str = self.request["ModelName"]
        return name

    @property
    def containers(self) -> list[dict[str, Any]]:
        """The primary container, or those of an inference pipeline."""
        primary = self.request.get("PrimaryContainer")
        return [primary] if primary else list(self.request.get("Containers", ()))


class Models:
    """The models of the account."""

    def __init__(
        self, place: Place, images: ImageMap, tags: Tags, object_exists: Callable[[str], bool]
    ) -> None:
        self.shelf: Shelf[Model] = Shelf(place, kind="model", arn_type="model")
        self._images, self._tags, self._object_exists = images, tags, object_exists

    def handlers(self) -> dict[str, Handler]:
        """The calls that this answers."""
        return checked(
            {
                "SageMaker.CreateModel": self._create,
                "SageMaker.DescribeModel": self._describe,
                "SageMaker.ListModels": self._list,
                "SageMaker.DeleteModel": self._delete,
            }
        )

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        model = Model(request, datetime.now(UTC))
        if not model.containers or ("PrimaryContainer" in request and "Containers" in request):
            raise validation_error("a model has either PrimaryContainer or Containers")
        for container in model.containers:
            self._check_container(container)
        self.shelf.add(model)
        arn = self.shelf.arn(model.name)
        self._tags.put(arn, request.get("Tags", []))
        return {"ModelArn": arn}

    def _check_container(self, container: dict[str, Any]) -> None:
        if "Image" not in container:
            raise validation_error("a container without Image; ModelPackageName is not run here")
        self._images.find(container["Image"])
        archive = container.get("ModelDataUrl")
        if not archive or container.get("Mode") == "MultiModel":  # then it is a folder
            return
        if not (archive.startswith("s3://") and archive.endswith(".tar.gz")):
            raise validation_error(
                f"ModelDataUrl {archive!r}; it must be s3://…/….tar.gz, one archive"
            )
        if not self._object_exists(archive):
            # As aws/aws-step-functions-data-science-sdk-python issue 61 and others quote it.
            raise AwsError("ValidationException", f"Could not find model data at {archive}.")

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        model = self.shelf.get(request["ModelName"])
        shown = {key: value for key, value in model.request.items() if key != "Tags"}
        return {
            **shown,
            "ModelArn": self.shelf.arn(model.name),
            "CreationTime": model.created_at,
            "EnableNetworkIsolation": model.request.get("EnableNetworkIsolation", False),
        }

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        return self.shelf.page(
            request,
            "Models",
            lambda model: {
                "ModelName": model.name,
                "ModelArn": self.shelf.arn(model.name),
                "CreationTime": model.created_at,
            },
            {"Name": "ModelName"},
        )

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        # As on AWS, an endpoint that runs the model keeps its own copy of it.
        model = self.shelf.remove(request["ModelName"])
        self._tags.forget(self.shelf.arn(model.name))
        return {}
