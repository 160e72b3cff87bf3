"""Model package groups, in memory."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from seatrial.localcloud.api import AwsError, Handler, Place, validation_error
from seatrial.localcloud.listing import page

NAME_PATTERN = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"

Group = dict[str, Any]


class ModelPackageGroups:
    """Groups by name; a version number is never given twice, not even to a group made anew."""

    def __init__(self, place: Place, *, now: Callable[[], float]) -> None:
        self._place, self._now = place, now
        self._lock = threading.Lock()
        self._groups: dict[str, Group] = {}
        self._versions: dict[str, int] = {}

    def handlers(self) -> dict[str, Handler]:
        """The calls that concern groups only."""
        return {
            "SageMaker.CreateModelPackageGroup": self._create,
            "SageMaker.DescribeModelPackageGroup": self._describe,
            "SageMaker.ListModelPackageGroups": self._list,
        }

    def get(self, name_or_arn: str) -> Group:
        """The group of that name or ARN; AwsError if there is none."""
        for group in list(self._groups.values()):
            if name_or_arn in (group["ModelPackageGroupName"], group["ModelPackageGroupArn"]):
                return group
        arn = self._arn(name_or_arn.split("/")[-1])
        raise AwsError("ValidationException", f"ModelPackageGroup {arn} does not exist.")

    def next_version(self, name: str) -> int:
        """A number for a new version of the group."""
        with self._lock:
            self._versions[name] = self._versions.get(name, 0) + 1
            return self._versions[name]

    def remove(self, name: str) -> None:
        """Forget the group."""
        with self._lock:
            self._groups.pop(name, None)

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["ModelPackageGroupName"]
        if not re.fullmatch(NAME_PATTERN, name):
            raise validation_error(
                f"ModelPackageGroupName is {name!r}; allowed is {NAME_PATTERN}. Rename the group"
            )
        with self._lock:
            if name in self._groups:
                raise validation_error(f"there is already a model package group {self._arn(name)}")
            self._groups[name] = {
                "ModelPackageGroupName": name,
                "ModelPackageGroupArn": self._arn(name),
                "ModelPackageGroupDescription": request.get("ModelPackageGroupDescription", ""),
                "CreationTime": self._now(),
                "ModelPackageGroupStatus": "Completed",
            }
        return {"ModelPackageGroupArn": self._arn(name)}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        return {**self.get(request["ModelPackageGroupName"]), "CreatedBy": {}}

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        wanted = [
            group
            for group in list(self._groups.values())
            if request.get("NameContains", "") in group["ModelPackageGroupName"]
        ]
        by_name = request.get("SortBy") == "Name"
        sort_by = "ModelPackageGroupName" if by_name else "CreationTime"
        return page(wanted, request, "ModelPackageGroupSummaryList", sort_by=sort_by)

    def _arn(self, name: str) -> str:
        return self._place.arn(f"model-package-group/{name.lower()}")
