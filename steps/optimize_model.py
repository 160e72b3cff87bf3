"""Turn the registered model into candidates for serverless inference, each measured and guarded.

Reads   the model package (its archive and `inputs.json`), the configuration.
Writes  candidates/: optimization.json, payloads.jsonl, <survivor>/model.tar.gz
        data/: reference.parquet, validation.parquet, inputs.json
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from seatrial.archives import unpack
from seatrial.aws import S3, client
from seatrial.config import Config, read_resolved_config
from seatrial.contracts import ModelInputs, Optimization
from seatrial.limits import load_limits
from seatrial.optimization.compiling import neo_compiler
from seatrial.optimization.data import ValidationData, read_frame
from seatrial.optimization.optimizer import Job, optimize
from seatrial.optimization.serving_python import find_serving_python
from seatrial.optimization.tracking import log_optimization
from seatrial.optimization.trust import trust_in
from seatrial.pipelines.registration import describe_package, fetch_inputs
from seatrial.steps.entry import run


@dataclass(frozen=True)
class Package:
    """A registered model on this machine: what it brings along, and where its archive was."""

    arn: str
    inputs: ModelInputs
    model: Path
    data: Path
    source_uri: str


def optimize_package(package: Package, config: Config, output: Path, python: Path) -> Optimization:
    """The package's candidates; data that it brought along is what they are judged on."""
    names = config.optimization.trusted_sources
    trusted = [trust_in(source, names) for source in (package.source_uri, package.arn)]
    job = Job(
        source=package.model,
        validation=ValidationData(
            package.inputs.task,
            read_frame(package.data / "validation.parquet"),
            package.inputs.target,
        ),
        calibration=read_frame(package.data / "reference.parquet"),
        payloads=package.data / "payloads.jsonl",
        python=python,
        given={},
        trust=next((item for item in trusted if item.by_user), trusted[0]),
        model_package_arn=package.arn,
    )
    return optimize(
        job, config, output, tell=_tell, compile_with_neo=neo_compiler(config, output, _tell)
    )


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def fetch_package(arn: str, *, region: str, model: Path, data: Path) -> Package:
    """Fetch the package's archive and all it brings along, each checked against its SHA-256."""
    package = describe_package(arn, client("sagemaker", region=region))
    s3 = S3(client("s3", region=region))
    inputs = fetch_inputs(package, data, s3)
    with TemporaryDirectory() as scratch:
        url = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
        archive = s3.download(url, Path(scratch) / "model.tar.gz")
        unpack(archive, model, max_mb=load_limits().disk_mb.value)
    return Package(arn, inputs, model, data, url)


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-package-arn", required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--candidates", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args(argv)
    config = read_resolved_config(args.config)
    python = find_serving_python(os.environ)
    with TemporaryDirectory() as scratch:
        package = fetch_package(
            args.model_package_arn,
            region=config.region,
            model=Path(scratch) / "model",
            data=args.data,
        )
        optimization = optimize_package(package, config, args.candidates, python)
    (args.data / "payloads.jsonl").unlink()  # candidates/ has them
    if config.tracking.mlflow_uri is not None:
        log_optimization(
            optimization,
            args.candidates / "optimization.json",
            tracking_uri=config.tracking.mlflow_uri,
            experiment=f"{config.project}-optimization",
        )
    return 0


if __name__ == "__main__":
    run(main)
