"""The model registry, with its events: an approval is an event, and a rule starts a pipeline.

moto's model packages lose CustomerMetadataProperties and ApprovalDescription on any update that
does not repeat them, reuse version numbers, and emit nothing; so the registry is kept here whole.
EventBridge's rules and targets stay moto's records: a rule is matched here, a target that is a
pipeline is started here, and every other target is handed to moto.

The server calls `check` before it passes a request on to moto, and `observe` after moto answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from seatrial.localcloud.api import Handler, Place
from seatrial.localcloud.audit import Audit
from seatrial.localcloud.event_bus import EventBus, StartPipeline
from seatrial.localcloud.model_packages import ModelPackages
from seatrial.localcloud.package_events import package_event
from seatrial.localcloud.pipeline_targets import check_targets


class Registry:
    """Model packages, and the events that a change of one emits, on `bus`."""

    def __init__(
        self,
        place: Place,
        start_pipeline: StartPipeline,
        *,
        now: Callable[[], float] = time.time,
        audit: Audit | None = None,
    ) -> None:
        self._place, self._now = place, now
        self.bus = EventBus(place, start_pipeline, now=now, audit=audit or Audit())
        self._packages = ModelPackages(place, now=now)

    def handlers(self) -> dict[str, Handler]:
        """The calls that are answered here instead of by moto."""
        return {
            **self._packages.handlers(),
            "SageMaker.CreateModelPackage": self._create,
            "SageMaker.UpdateModelPackage": self._update,
            "AWSEvents.PutEvents": self.bus.put_events,
        }

    def check(self, target: str, request: dict[str, Any]) -> None:
        """AwsError for what the service would refuse and moto would not; before moto is asked."""
        if target == "AWSEvents.PutTargets":
            check_targets(request.get("Targets", []))

    def observe(self, target: str, request: dict[str, Any], response: dict[str, Any]) -> None:
        """Nothing that moto answers changes the registry: all its calls are in `handlers`."""

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        package = self._packages.create(request)
        self._emit(package, updated=())
        return {"ModelPackageArn": package["ModelPackageArn"]}

    def _update(self, request: dict[str, Any]) -> dict[str, Any]:
        package, updated = self._packages.update(request)
        if updated:
            self._emit(package, updated=updated)
        return {"ModelPackageArn": package["ModelPackageArn"]}

    def _emit(self, package: dict[str, Any], *, updated: tuple[str, ...]) -> None:
        self.bus.publish(package_event(package, updated, self._place, now=self._now()))
