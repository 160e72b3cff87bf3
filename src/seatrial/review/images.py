"""What is known of the serving image: to ECR, and to those who publish vulnerabilities."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial.config import Config
from seatrial.contracts.review import PackageScan
from seatrial.review.advisories import locked_packages, scan, unknown


def scan_packages(image: str, config: Config) -> PackageScan:
    """The advisories on what that image is locked to."""
    wanted = config.review
    if wanted.advisories_url is None:
        return unknown("review.advisories_url is null, so nobody was asked for advisories")
    if wanted.packages is not None:
        return scan(list(wanted.packages.items()), wanted.advisories_url)
    if _without_version(image) != _without_version(config.images.serving):
        return unknown(
            f"the packages of {image} are not known, since it is not images.serving: "
            "give them in review.packages"
        )
    return scan(locked_packages(), wanted.advisories_url)


def _without_version(image: str) -> str:
    """Registry and repository; a registry may have a port.

    >>> _without_version("host:5000/name:v1"), _without_version("name@sha256:0")
    ('host:5000/name', 'name')
    """
    return re.sub(r"(@[^/]*|:[^/]*)$", "", image)


@dataclass(frozen=True)
class ImageFacts:
    """What ECR knows of an image; None where it does not."""

    pushed_at: datetime | None
    vulnerabilities: dict[str, int] | None


def read_image(uri: str, ecr: Any) -> ImageFacts:
    """By repository and tag, or digest; an image elsewhere is not known."""
    from botocore.exceptions import ClientError

    registry, _, path = uri.partition("/")
    if ".dkr.ecr." not in registry:
        return ImageFacts(None, None)
    repository, wanted = _split(path)
    try:
        answer = ecr.describe_images(repositoryName=repository, imageIds=[wanted])
    except ClientError as error:
        if error.response["Error"]["Code"] in (
            "AccessDeniedException",  # another repository than the role may look into
            "ImageNotFoundException",
            "RepositoryNotFoundException",
        ):
            return ImageFacts(None, None)
        raise
    (found,) = answer["imageDetails"]
    summary = found.get("imageScanFindingsSummary", {}).get("findingSeverityCounts")
    return ImageFacts(found["imagePushedAt"], None if summary is None else dict(summary))


def _split(path: str) -> tuple[str, dict[str, str]]:
    if "@" in path:
        repository, _, digest = path.partition("@")
        return repository, {"imageDigest": digest}
    repository, _, tag = path.partition(":")
    return repository, {"imageTag": tag or "latest"}
