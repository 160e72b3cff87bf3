"""What serverless inference does not offer, and a package or an image asks for.

The list: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.contracts import Check
from seatrial.readiness.checks import at_most
from seatrial.readiness.facts import Facts
from seatrial.readiness.setting import Setting


def features(facts: Facts, _: Setting) -> Iterator[Check]:
    """SINGLE_ARCHIVE, and UNSUPPORTED_FEATURE once for each that the package asks for."""
    containers = facts.package.get("InferenceSpecification", {}).get("Containers", [])
    sources = [item for item in containers if "ModelDataSource" in item]
    yield at_most(
        "SINGLE_ARCHIVE",
        len(sources),
        0,
        "containers",
        "service limit",
        detail="containers with ModelDataSource in place of ModelDataUrl",
        fix="Register one model.tar.gz as ModelDataUrl",
    )
    asked = unsupported_features(facts)
    for name, fix in asked.items():
        yield at_most("UNSUPPORTED_FEATURE", 1, 0, "uses", "service limit", detail=name, fix=fix)
    if not asked:
        yield at_most(
            "UNSUPPORTED_FEATURE",
            0,
            0,
            "uses",
            "service limit",
            detail="no GPU, Marketplace, private registry, multi-model or inference pipeline",
            fix="",
        )


def unsupported_features(facts: Facts) -> dict[str, str]:
    """What serverless does not offer and the package or the configuration asks for, with a fix."""
    specification = facts.package.get("InferenceSpecification", {})
    containers = specification.get("Containers", [])
    environment = [item.get("Environment", {}) for item in containers]
    image = facts.candidate.inference_image or facts.config.images.serving
    asked = {
        "GPU image": (
            re.search(r"[-_:.](gpu|cu\d{2,3})\b", image) is not None,
            "Use the CPU image",
        ),
        "private Docker registry": (
            re.match(r"^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/", image) is None,
            "Push the image to ECR",
        ),
        "inference pipeline": (len(containers) > 1, "Put all steps into one container"),
        "multi-model endpoint": (
            any(item.get("SAGEMAKER_MULTI_MODEL") == "true" for item in environment),
            "Deploy one endpoint per model",
        ),
        "AWS Marketplace package": (
            bool(facts.package.get("CertifyForMarketplace"))
            or any("ProductId" in item for item in containers),
            "Use a real-time endpoint",
        ),
    }
    return {name: fix for name, (found, fix) in asked.items() if found}
