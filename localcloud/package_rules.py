"""What CreateModelPackage and UpdateModelPackage refuse (the botocore service model's limits)."""

from __future__ import annotations

from typing import Any

from seatrial.localcloud.api import validation_error

APPROVAL_STATUSES = ("Approved", "Rejected", "PendingManualApproval")
MAX_CONTAINERS = 15
MAX_PROPERTIES = 50
MAX_PROPERTY_KEY_CHARACTERS = 128
MAX_PROPERTY_VALUE_CHARACTERS = 256


def check_package(request: dict[str, Any]) -> None:
    """AwsError unless CreateModelPackage would take the request."""
    if ("ModelPackageName" in request) == ("ModelPackageGroupName" in request):
        raise validation_error(
            "give ModelPackageGroupName for a version of a group, or ModelPackageName for a "
            "package by itself, and not both"
        )
    check_update(request)


def check_update(package: dict[str, Any]) -> None:
    """AwsError unless the fields that there are hold what the service allows."""
    status = package.get("ModelApprovalStatus", APPROVAL_STATUSES[0])
    if status not in APPROVAL_STATUSES:
        raise validation_error(
            f"ModelApprovalStatus is {status!r}; allowed are {', '.join(APPROVAL_STATUSES)}"
        )
    specification = package.get("InferenceSpecification")
    if specification is not None:
        count = len(specification.get("Containers", []))
        if not 1 <= count <= MAX_CONTAINERS:
            raise validation_error(
                f"InferenceSpecification has {count} Containers; 1 to {MAX_CONTAINERS} are allowed"
            )
    _check_properties(package.get("CustomerMetadataProperties", {}))


def _check_properties(properties: dict[str, str]) -> None:
    if len(properties) > MAX_PROPERTIES:
        raise validation_error(
            f"{len(properties)} CustomerMetadataProperties; {MAX_PROPERTIES} are allowed. "
            "Put the rest into a file in S3 and its URI here"
        )
    for key, value in properties.items():
        if not 1 <= len(key) <= MAX_PROPERTY_KEY_CHARACTERS:
            raise validation_error(
                f"the CustomerMetadataProperties key {key[:40]!r} has {len(key)} characters; "
                f"1 to {MAX_PROPERTY_KEY_CHARACTERS} are allowed. Shorten it"
            )
        if not 1 <= len(value) <= MAX_PROPERTY_VALUE_CHARACTERS:
            raise validation_error(
                f"the CustomerMetadataProperties value of {key!r} has {len(value)} characters; "
                f"1 to {MAX_PROPERTY_VALUE_CHARACTERS} are allowed. Put it into a file in S3"
            )
