"""Tags of the resources that localcloud keeps itself; those of all others are moto's."""

from __future__ import annotations

import threading
from typing import Any

from seatrial.localcloud.api import Handler, NotOurs, validation_error
from seatrial.localcloud.api_model import checked

OUR_RESOURCES = ("model", "endpoint-config", "endpoint", "compilation-job", "pipeline")
MAX_TAGS = 50


class Tags:
    """Tags by ARN."""

    def __init__(self) -> None:
        self._tags: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def handlers(self) -> dict[str, Handler]:
        """The calls that this answers, for our resources."""
        return checked(
            {
                "SageMaker.AddTags": self._add,
                "SageMaker.ListTags": self._list,
                "SageMaker.DeleteTags": self._delete,
            }
        )

    def put(self, arn: str, tags: list[dict[str, str]]) -> None:
        """Add to the tags of a resource, which is known from then on."""
        with self._lock:
            merged = self._tags.get(arn, {}) | {tag["Key"]: tag["Value"] for tag in tags}
            if len(merged) > MAX_TAGS:
                raise validation_error(
                    f"{len(merged)} tags on one resource; {MAX_TAGS} are allowed. Remove some"
                )
            self._tags[arn] = merged

    def of(self, arn: str) -> dict[str, str]:
        """The tags of a resource; none if it is not known."""
        with self._lock:
            return dict(self._tags.get(arn, {}))

    def forget(self, arn: str) -> None:
        """Drop the tags of a resource that is gone."""
        with self._lock:
            self._tags.pop(arn, None)

    def _add(self, request: dict[str, Any]) -> dict[str, Any]:
        arn = self._known(request)
        self.put(arn, request["Tags"])
        return self._list(request)

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        tags = self._tags[self._known(request)]
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        arn = self._known(request)
        with self._lock:
            kept = self._tags[arn].items()
            self._tags[arn] = {key: value for key, value in kept if key not in request["TagKeys"]}
        return {}

    def _known(self, request: dict[str, Any]) -> str:
        arn = _ours(request)
        if arn not in self._tags:
            raise validation_error(f"there is no {arn}; check ResourceArn")
        return arn


def _ours(request: dict[str, Any]) -> str:
    arn: str = request["ResourceArn"].lower()  # as our ARNs are
    if arn.split(":")[-1].split("/")[0] not in OUR_RESOURCES:
        raise NotOurs
    return arn
