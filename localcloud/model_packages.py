"""Model packages, in memory, with the limits of the service's API model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from seatrial.localcloud.api import AwsError, Handler, Place, validation_error
from seatrial.localcloud.listing import created_within, page
from seatrial.localcloud.model_package_groups import ModelPackageGroups
from seatrial.localcloud.package_rules import check_package, check_update

Package = dict[str, Any]

# What CreateModelPackage takes and DescribeModelPackage gives back as it was given.
_GIVEN = (
    "ModelPackageName",
    "ModelPackageGroupName",
    "ModelPackageDescription",
    "ModelPackageRegistrationType",
    "InferenceSpecification",
    "ValidationSpecification",
    "SourceAlgorithmSpecification",
    "CertifyForMarketplace",
    "ModelApprovalStatus",
    "MetadataProperties",
    "ModelMetrics",
    "Domain",
    "Task",
    "SamplePayloadUrl",
    "CustomerMetadataProperties",
    "DriftCheckBaselines",
    "AdditionalInferenceSpecifications",
    "SkipModelValidation",
    "SourceUri",
    "SecurityConfig",
    "ModelCard",
    "ModelLifeCycle",
)
_REPLACED = (
    "ModelApprovalStatus",
    "ApprovalDescription",
    "ModelPackageRegistrationType",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
)
_SUMMARY = (
    "ModelPackageName",
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
)


class ModelPackages:
    """Packages by ARN, and the groups that they are versions of."""

    def __init__(self, place: Place, *, now: Callable[[], float]) -> None:
        self._place, self._now = place, now
        self._lock = threading.RLock()
        self._groups = ModelPackageGroups(place, now=now)
        self._packages: dict[str, Package] = {}

    def handlers(self) -> dict[str, Handler]:
        """The calls that emit no event."""
        return {
            **self._groups.handlers(),
            "SageMaker.DeleteModelPackageGroup": self._delete_group,
            "SageMaker.DescribeModelPackage": self._describe,
            "SageMaker.ListModelPackages": self._list,
            "SageMaker.DeleteModelPackage": self._delete,
        }

    def create(self, request: dict[str, Any]) -> Package:
        """Add a package; a version if a group is given."""
        check_package(request)
        given = {name: request[name] for name in _GIVEN if name in request}
        now = self._now()
        with self._lock:
            path, version = self._path_of_new(request)
            arn = self._place.arn(f"model-package/{path}")
            if arn in self._packages:
                raise validation_error(f"there is already a model package {arn}")
            package = {
                "ModelApprovalStatus": "PendingManualApproval",
                **given,
                **version,
                "ModelPackageArn": arn,
                "CreationTime": now,
                "LastModifiedTime": now,
                "ModelPackageStatus": "Completed",
                "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            }
            self._packages[arn] = package
            return dict(package)

    def update(self, request: dict[str, Any]) -> tuple[Package, tuple[str, ...]]:
        """Change a package; also the names of the fields that now differ, empty for none."""
        with self._lock:
            before = self._find(request["ModelPackageArn"])
            after = _updated(before, request)
            check_update(after)
            names = (*_REPLACED, "CustomerMetadataProperties", "AdditionalInferenceSpecifications")
            changed = tuple(name for name in names if before.get(name) != after.get(name))
            if changed:
                after["LastModifiedTime"] = self._now()
                self._packages[before["ModelPackageArn"]] = after
            return dict(after), changed

    def _path_of_new(self, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if "ModelPackageGroupName" not in request:
            return request["ModelPackageName"].lower(), {}
        group = self._groups.get(request["ModelPackageGroupName"])["ModelPackageGroupName"]
        version = self._groups.next_version(group)
        return f"{group.lower()}/{version}", {
            "ModelPackageGroupName": group,
            "ModelPackageVersion": version,
        }

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        return dict(self._find(request["ModelPackageName"]))

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        summaries = [
            {name: package[name] for name in _SUMMARY if name in package}
            for package in list(self._packages.values())
            if _is_wanted(package, request)
        ]
        return page(summaries, request, "ModelPackageSummaryList", sort_by="CreationTime")

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            del self._packages[self._find(request["ModelPackageName"])["ModelPackageArn"]]
        return {}

    def _delete_group(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            group = self._groups.get(request["ModelPackageGroupName"])
            name = group["ModelPackageGroupName"]
            members = [p for p in self._packages.values() if p.get("ModelPackageGroupName") == name]
            if members:
                raise AwsError(
                    "ConflictException",
                    f"localcloud: {group['ModelPackageGroupArn']} still has {len(members)} "
                    "versions; delete them first",
                )
            self._groups.remove(name)
        return {}

    def _find(self, name_or_arn: str) -> Package:
        arn = name_or_arn
        if not arn.startswith("arn:"):
            arn = self._place.arn(f"model-package/{name_or_arn.lower()}")
        package = self._packages.get(arn)
        if package is None:
            raise validation_error(
                f"there is no model package {arn}; ListModelPackages names those that there are"
            )
        return package


def _updated(package: Package, request: dict[str, Any]) -> Package:
    """The package after the update; what the request does not name stays."""
    metadata = {
        **package.get("CustomerMetadataProperties", {}),
        **request.get("CustomerMetadataProperties", {}),
    }
    for key in request.get("CustomerMetadataPropertiesToRemove", []):
        metadata.pop(key, None)
    specifications = [
        *package.get("AdditionalInferenceSpecifications", []),
        *request.get("AdditionalInferenceSpecificationsToAdd", []),
    ]
    after = {**package, **{name: request[name] for name in _REPLACED if name in request}}
    for name, value in (
        ("CustomerMetadataProperties", metadata),
        ("AdditionalInferenceSpecifications", specifications),
    ):
        if value:
            after[name] = value
        else:
            after.pop(name, None)
    return after


def _is_wanted(package: Package, request: dict[str, Any]) -> bool:
    group = package.get("ModelPackageGroupName")
    wanted_group = request.get("ModelPackageGroupName")
    if wanted_group is not None:
        in_kind = group is not None and group == wanted_group.split("/")[-1]
    else:
        kind = request.get("ModelPackageType", "Unversioned")
        in_kind = kind == "Both" or (group is not None) == (kind == "Versioned")
    status = request.get("ModelApprovalStatus", package["ModelApprovalStatus"])
    return (
        in_kind
        and package["ModelApprovalStatus"] == status
        and request.get("NameContains", "") in (group or package["ModelPackageName"])
        and created_within(
            package["CreationTime"], request, "CreationTimeAfter", "CreationTimeBefore"
        )
    )
