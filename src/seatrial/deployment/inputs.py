"""From what the pipeline's steps have written to a target and its archive."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.aws import S3, sha256_of
from seatrial.config import Config
from seatrial.contracts import (
    Candidate,
    Optimization,
    Payload,
    Readiness,
    ServerlessConfiguration,
    read_contract,
)
from seatrial.deployment.refusals import overridden
from seatrial.deployment.target import COMMIT_TAG, EXECUTION_TAG, PROJECT_TAG, Target
from seatrial.endpoint import records_uri
from seatrial.errors import InputError
from seatrial.limits import load_limits, tier_environment


@dataclass(frozen=True)
class Origin:
    """Where a deployment comes from."""

    model_package_arn: str
    execution: str | None
    git_commit: str | None

    @property
    def tags(self) -> dict[str, str]:
        """What is known of it, as tags."""
        known = {EXECUTION_TAG: self.execution, COMMIT_TAG: self.git_commit}
        return {key: value for key, value in known.items() if value is not None}


def origin_of(package: Mapping[str, Any], *, execution: str | None) -> Origin:
    """The origin, with the commit that the package was registered with."""
    commit = package.get("MetadataProperties", {}).get("CommitId")
    return Origin(package["ModelPackageArn"], execution, commit)


@dataclass(frozen=True)
class Chosen:
    """What the verdict chose."""

    candidate: Candidate
    archive: Path
    archive_sha256: str
    serverless: ServerlessConfiguration


def chosen_candidate(candidates: Path, readiness: Readiness) -> Chosen:
    """The candidate that the verdict chose, and its archive; InputError if it is not ready."""
    if not readiness.ready or readiness.recommended is None:
        raise InputError(
            "the model is not ready",
            got=f"ready: {readiness.ready}",
            allowed="a readiness.json with ready: true",
            do="Read its checks and their fixes",
        )
    optimization = read_contract(Optimization, candidates / "optimization.json")
    candidate = next(item for item in optimization.candidates if item.name == readiness.candidate)
    if candidate.archive is None or candidate.archive_sha256 is None:
        raise InputError(
            f"the candidate {candidate.name} was not packed",
            got=candidate.rejection or candidate.passed_over,
            allowed="a survivor",
            do="Run the pipeline again from OptimizeModel",
        )
    archive = candidates / candidate.archive
    if (seen := sha256_of(archive)) != candidate.archive_sha256:
        raise InputError(
            f"{candidate.archive} is not the archive that was profiled",
            got=f"sha256 {seen}",
            allowed=f"sha256 {candidate.archive_sha256}",
            do="Run the pipeline again from OptimizeModel",
        )
    return Chosen(candidate, archive, candidate.archive_sha256, readiness.recommended)


def read_payloads(path: Path) -> list[Payload]:
    """The sample payloads, one JSON object a line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Payload.model_validate_json(line) for line in lines if line.strip()]


def make_target(
    config: Config,
    serverless: ServerlessConfiguration,
    *,
    image: str,
    archive_sha256: str,
    baseline: Path,
    origin: Origin,
) -> Target:
    """What is to serve, by the content of archive and baseline."""
    endpoint, bucket = config.endpoint, config.bucket
    return Target(
        endpoint_name=endpoint.name,
        variant_name=endpoint.variant_name,
        image=image,
        role=config.roles.endpoint,
        model_data_url=f"s3://{bucket}/models/{archive_sha256}/model.tar.gz",
        baseline_uri=f"s3://{bucket}/baselines/{_folder_hash(baseline)}",
        records_uri=records_uri(bucket, endpoint.name, endpoint.variant_name),
        model_package_arn=origin.model_package_arn,
        serverless=serverless,
        environment=tier_environment(serverless.memory_size_mb, endpoint.environment),
        kms_key_arn=config.deployment.kms_key_arn,
        origin={PROJECT_TAG: config.project, **origin.tags},
    )


def upload(target: Target, *, archive: Path, baseline: Path, s3: S3) -> None:
    """Put archive and baseline where the target says, once."""
    if not s3.exists(target.model_data_url):
        s3.upload(archive, target.model_data_url)
    s3.upload_folder(baseline, target.baseline_uri)


def _folder_hash(folder: Path) -> str:
    names = sorted(item for item in folder.rglob("*") if item.is_file())
    lines = [f"{sha256_of(item)} {item.relative_to(folder).as_posix()}" for item in names]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Folders:
    """What the steps before have written."""

    candidates: Path
    readiness: Path
    baseline: Path


def choose(config: Config, folders: Folders, origin: Origin) -> tuple[Chosen, Target]:
    """The archive to deploy, and what it is to become."""
    readiness = read_contract(Readiness, folders.readiness / "readiness.json")
    chosen = chosen_candidate(folders.candidates, readiness)
    target = make_target(
        config,
        overridden(chosen.serverless, config, load_limits()),
        image=chosen.candidate.inference_image or config.images.serving,
        archive_sha256=chosen.archive_sha256,
        baseline=folders.baseline,
        origin=origin,
    )
    return chosen, target
