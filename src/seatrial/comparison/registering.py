"""Register an accepted challenger as a model package, once, with the evidence beside it.

The package holds one model.tar.gz of the run's model directory. What SageMaker's managed MLflow
registers by itself refers to a prefix in S3 (ModelDataSource), which serverless cannot deploy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seatrial.aws import S3, explained
from seatrial.comparison.quality import shown
from seatrial.comparison.validation import RUN_KEY
from seatrial.config import Config
from seatrial.contracts import Comparison
from seatrial.pipelines.registration import (
    INPUTS_KEY,
    InputFiles,
    approve,
    packages,
    register,
    upload_inputs,
)

EVIDENCE_KEY = "seatrial.comparison"
MODEL_KEY = "seatrial.registered-model"  # MLflow's; the champion's alias of it follows what serves
State = Literal["registered", "already registered", "rejected before"]


@dataclass(frozen=True)
class Registered:
    """The package, and whether this made it; `approved` starts the readiness pipeline."""

    package_arn: str
    state: State
    approved: bool


def evidence(comparison: Comparison, uri: str, model: str) -> dict[str, str]:
    """What the package's metadata says of the comparison; all of it is at `uri`."""
    champion, metric = comparison.champion, comparison.metric
    gain = "none" if comparison.gain is None else f"{metric} gains {shown(comparison.gain)}"
    return {
        RUN_KEY: comparison.challenger.run_id,
        MODEL_KEY: model,
        EVIDENCE_KEY: uri,
        "seatrial.decision": comparison.decision,
        "seatrial.champion": champion.run_id or champion.name if champion else "none",
        "seatrial.gain": gain,
        f"seatrial.{metric}": f"{comparison.challenger.quality[metric]:.6f}",
    }


def register_challenger(
    model_dir: Path,
    files: InputFiles,
    comparison: Comparison,
    artifact: Path,
    *,
    model: str,
    config: Config,
    s3: S3,
    sagemaker: Any,
    commit: str | None = None,
) -> Registered:
    """Register it unless the same run with the same data is there; approve it if configured so.

    `model` is MLflow's registered model. A package that was rejected stays so: that was somebody's
    decision.
    """
    uri = s3.upload_by_content(artifact, f"s3://{config.bucket}/comparisons")
    inputs_uri = upload_inputs(files, bucket=config.bucket, s3=s3)
    metadata = evidence(comparison, uri, model)
    found = find_package(config.model_package_group, metadata[RUN_KEY], inputs_uri, sagemaker)
    if found is None:
        arn = register(
            model_dir,
            files,
            group=config.model_package_group,
            bucket=config.bucket,
            image=config.images.serving,
            s3=s3,
            sagemaker=sagemaker,
            description=f"{comparison.challenger.name}: {metadata['seatrial.gain']}",
            metadata=metadata,
            commit=commit,
        )
        status = "PendingManualApproval"
    else:
        arn, status = str(found["ModelPackageArn"]), str(found["ModelApprovalStatus"])
        if not {EVIDENCE_KEY, MODEL_KEY} <= set(found["CustomerMetadataProperties"]):
            with explained(f"the evidence of {arn}", do="Check the role's permissions"):
                sagemaker.update_model_package(
                    ModelPackageArn=arn, CustomerMetadataProperties=metadata
                )
    if status == "Rejected":
        return Registered(arn, "rejected before", approved=False)
    approval = config.comparison.approve
    if approval and status != "Approved":
        approve(arn, sagemaker, because=f"seatrial compare: {metadata['seatrial.gain']}")
    state: State = "registered" if found is None else "already registered"
    return Registered(arn, state, approved=approval or status == "Approved")


def find_package(group: str, run_id: str, inputs_uri: str, sagemaker: Any) -> dict[str, Any] | None:
    """The newest package of that run that was validated on the same data."""
    wanted = {RUN_KEY: run_id, INPUTS_KEY: inputs_uri}
    return next(
        (
            package
            for package in packages(group, sagemaker)
            if wanted.items() <= package.get("CustomerMetadataProperties", {}).items()
        ),
        None,
    )
