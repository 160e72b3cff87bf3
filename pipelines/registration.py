"""Register a trained model as a SageMaker model package, with all that the pipeline needs of it.

The package's metadata `seatrial.inputs` is the URI of `inputs.json` (ModelInputs); its key in S3
holds its SHA-256, and it holds that of each file, so nothing can change underneath an approval.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from seatrial.archives import pack
from seatrial.aws import S3, explained, sha256_of
from seatrial.contracts import DataFile, ModelInputs, Task, read_contract
from seatrial.errors import InputError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

INPUTS_KEY = "seatrial.inputs"


@dataclass(frozen=True)
class InputFiles:
    """The local files that a model package brings along, and what they mean."""

    task: Task
    validation: Path
    reference: Path
    payloads: Path
    target: str
    time_column: str | None

    @classmethod
    def in_folder(
        cls, folder: Path, task: Task, *, target: str, time_column: str | None
    ) -> InputFiles:
        """validation.parquet, reference.parquet and payloads.jsonl of the folder."""
        return cls(
            task=task,
            validation=folder / "validation.parquet",
            reference=folder / "reference.parquet",
            payloads=folder / "payloads.jsonl",
            target=target,
            time_column=time_column,
        )


def upload_inputs(files: InputFiles, *, bucket: str, s3: S3) -> str:
    """Upload the files and `inputs.json` by content; return the latter's URI."""
    prefix = f"s3://{bucket}/inputs"

    def addressed(path: Path) -> DataFile:
        return DataFile(uri=s3.upload_by_content(path, prefix), sha256=sha256_of(path))

    inputs = ModelInputs(
        task=files.task,
        validation=addressed(files.validation),
        reference=addressed(files.reference),
        payloads=addressed(files.payloads),
        target=files.target,
        time_column=files.time_column,
    )
    text = inputs.model_dump_json(indent=2)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return s3.put_text(text, f"{prefix}/{digest}/inputs.json")


def register(
    model_dir: Path,
    files: InputFiles,
    *,
    group: str,
    bucket: str,
    image: str,
    s3: S3,
    sagemaker: SageMakerClient,
    description: str,
    metadata: dict[str, str],
    commit: str | None = None,
) -> str:
    """Register the MLflow model in `model_dir`, pending approval; return the package's ARN.

    `metadata` is kept beside `seatrial.inputs` (at most 256 characters a value). `commit` is that
    of the code that made the model; what is deployed is tagged with it.
    """
    if not (model_dir / "MLmodel").is_file():
        raise InputError(
            "not an MLflow model directory",
            got=str(model_dir),
            allowed="a folder with a file named MLmodel",
            do="Save the model with mlflow.<flavor>.save_model",
        )
    with TemporaryDirectory() as scratch:
        archive = pack(model_dir, Path(scratch) / "model.tar.gz")
        archive_uri = s3.upload_by_content(archive, f"s3://{bucket}/registry")
    inputs_uri = upload_inputs(files, bucket=bucket, s3=s3)
    ensure_group(group, sagemaker)
    with explained(f"registering a model in {group}", do="Check the role's permissions"):
        answer = sagemaker.create_model_package(
            ModelPackageGroupName=group,
            ModelPackageDescription=description,
            ModelApprovalStatus="PendingManualApproval",
            InferenceSpecification={
                "Containers": [{"Image": image, "ModelDataUrl": archive_uri}],
                "SupportedContentTypes": ["text/csv", "application/json"],
                "SupportedResponseMIMETypes": ["text/csv", "application/json"],
            },
            CustomerMetadataProperties={INPUTS_KEY: inputs_uri, **metadata},
            MetadataProperties={"CommitId": commit} if commit else {},
        )
    return str(answer["ModelPackageArn"])


def ensure_group(group: str, sagemaker: SageMakerClient) -> None:
    """Make the model package group unless it is there."""
    with explained(f"the model package group {group}", do="Check the role's permissions"):
        pages = sagemaker.get_paginator("list_model_package_groups").paginate(NameContains=group)
        names = {
            item["ModelPackageGroupName"]
            for page in pages
            for item in page["ModelPackageGroupSummaryList"]
        }
        if group not in names:
            sagemaker.create_model_package_group(ModelPackageGroupName=group)


def packages(group: str, sagemaker: SageMakerClient) -> Iterator[dict[str, Any]]:
    """DescribeModelPackage's answers for the group's versions, the newest first."""
    with explained(f"the model packages of {group}", do="Check the role's permissions"):
        pages = sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending"
        )
        arns = [
            item["ModelPackageArn"] for page in pages for item in page["ModelPackageSummaryList"]
        ]
    for arn in arns:
        yield describe_package(arn, sagemaker)


def fetch_inputs(package: dict[str, Any], folder: Path, s3: S3) -> ModelInputs:
    """Fetch what the package brings along into `folder`, each file checked against its SHA-256.

    There will be inputs.json, validation.parquet, reference.parquet and payloads.jsonl.
    """
    metadata = package.get("CustomerMetadataProperties", {})
    inputs_uri = metadata.get(INPUTS_KEY)
    if inputs_uri is None:
        raise InputError(
            f"the model package {package['ModelPackageArn']} does not say what it was validated on",
            got=sorted(metadata),
            allowed=f"a metadata property {INPUTS_KEY}",
            do="Register the model with seatrial's register",
        )
    s3.download(inputs_uri, folder / "inputs.json", sha256=inputs_uri.split("/")[-2])
    inputs = read_contract(ModelInputs, folder / "inputs.json")
    for name, file in (
        ("reference.parquet", inputs.reference),
        ("validation.parquet", inputs.validation),
        ("payloads.jsonl", inputs.payloads),
    ):
        s3.download(file.uri, folder / name, sha256=file.sha256)
    return inputs


def describe_package(arn: str, sagemaker: SageMakerClient) -> dict[str, Any]:
    """DescribeModelPackage's answer; CloudError if there is no such package."""
    with explained(
        f"the model package {arn}", do="Check the ARN: aws sagemaker list-model-packages"
    ):
        return dict(sagemaker.describe_model_package(ModelPackageName=arn))


def approve(arn: str, sagemaker: SageMakerClient, *, because: str) -> None:
    """Approve the package, which is what starts the readiness pipeline."""
    with explained(f"the approval of {arn}", do="Check the ARN and the role's permissions"):
        sagemaker.update_model_package(
            ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription=because
        )
