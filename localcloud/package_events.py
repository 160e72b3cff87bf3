"""The event "SageMaker Model Package State Change", as EventBridge carries it.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html.
CustomerMetadataProperties are not in the detail there, so they are not in it here.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from seatrial.localcloud.api import ACCOUNT, Place

DETAIL_TYPE = "SageMaker Model Package State Change"
_COPIED = (
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageName",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "InferenceSpecification",
    "ModelPackageStatus",
    "ModelPackageStatusDetails",
    "CertifyForMarketplace",
    "ModelApprovalStatus",
    "ApprovalDescription",
    "MetadataProperties",
    "ModelMetrics",
    "ModelLifeCycle",
    "LastModifiedTime",
)


def package_event(
    package: dict[str, Any], updated: tuple[str, ...], place: Place, *, now: float
) -> dict[str, Any]:
    """The event for a package (as DescribeModelPackage gives it) of which `updated` changed.

    A new version's event has no UpdatedModelPackageFields. Times in `detail` are milliseconds.
    """
    detail = {name: package[name] for name in _COPIED if name in package}
    for name in ("CreationTime", "LastModifiedTime"):
        if name in detail:
            detail[name] = int(detail[name] * 1000)
    if updated:
        detail["UpdatedModelPackageFields"] = list(updated)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": DETAIL_TYPE,
        "source": "aws.sagemaker",
        "account": ACCOUNT,
        "time": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": place.region,
        "resources": [package["ModelPackageArn"]],
        "detail": detail,
    }
