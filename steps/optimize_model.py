"""Turn the registered model into candidates for serverless inference, each measured and guarded.

Reads   the model package (its archive and `inputs.json`), the configuration.
Writes  candidates/: optimization.json, payloads.jsonl, <candidate>/model.tar.gz
        data/: reference.parquet, validation.parquet, inputs.json
"""

from __future__ import annotations

import argparse
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from seatrial.archives import pack, unpack
from seatrial.aws import S3, client, sha256_of
from seatrial.config import GuardsConfig, read_resolved_config
from seatrial.contracts import (
    MB,
    Candidate,
    ModelInputs,
    ModelSignature,
    Optimization,
    Task,
    read_contract,
    write_contract,
)
from seatrial.conversion import optimize_graph, to_onnx
from seatrial.errors import InputError
from seatrial.guards import Predictions, agreement, rejection
from seatrial.limits import load_limits
from seatrial.mlflow_model import MlflowModel, load_sklearn, read_mlflow_model
from seatrial.pipelines.registration import INPUTS_KEY, describe_package
from seatrial.quality import measure_quality
from seatrial.steps.entry import run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

FP32 = "fp32"
# Bounds the memory of a model whose working set grows with the rows of a batch.
BATCH_ROWS = 1000


@dataclass(frozen=True)
class ValidationData:
    """Rows with known truth, and what they mean."""

    task: Task
    frame: pd.DataFrame
    target: str

    @property
    def truth(self) -> Array:
        """The true labels or values."""
        values: Array = self.frame[self.target].to_numpy()
        return values


def read_frame(path: Path) -> pd.DataFrame:
    """The Parquet file as a data frame; InputError if it is not one."""
    import pandas as pd
    import pyarrow

    try:
        return pd.read_parquet(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(
            "cannot read the data",
            got=str(path),
            allowed="a readable Parquet file",
            do=f"Check the path and the file ({type(error).__name__})",
        ) from error


def optimize(
    model_dir: Path,
    validation: ValidationData,
    guards: GuardsConfig,
    output: Path,
    *,
    model_package_arn: str | None,
) -> Optimization:
    """Make and judge the candidates of the MLflow model in `model_dir`; archives go to `output`."""
    model = read_mlflow_model(model_dir)
    _require_columns(model, validation)
    fitted = load_sklearn(model)
    original = _predict_original(fitted, model, validation)
    original_quality = _quality(validation, original)
    candidate = _fp32(fitted, model, validation, original, guards, output)
    result = Optimization(
        model_package_arn=model_package_arn,
        flavor=model.flavor,
        task=validation.task,
        original_size_mb=_folder_size_mb(model_dir),
        original_quality=original_quality,
        candidates=(candidate,),
        optimizer=_versions(),
        cpu=platform.processor() or platform.machine(),
    )
    write_contract(result, output / "optimization.json")
    return result


def _fp32(
    fitted: Any,
    model: MlflowModel,
    validation: ValidationData,
    original: Predictions,
    guards: GuardsConfig,
    output: Path,
) -> Candidate:
    converted = to_onnx(fitted, model, validation.task)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model_file = folder / converted.signature.model_file
        optimize_graph(converted.onnx, model_file)
        write_contract(converted.signature, folder / "signature.json")
        predicted = predict_archive(folder, converted.signature, validation.frame)
        model_size_mb = model_file.stat().st_size / MB
        archive = pack(folder, output / FP32 / "model.tar.gz")
    found = agreement(original, predicted)
    quality = _quality(validation, predicted)
    return Candidate(
        name=FP32,
        backend="onnxruntime",
        precision=FP32,
        graph_optimization="extended",
        archive=archive.relative_to(output).as_posix(),
        archive_sha256=sha256_of(archive),
        archive_size_mb=archive.stat().st_size / MB,
        model_size_mb=model_size_mb,
        agreement=found,
        quality=quality,
        rejection=rejection(found, quality, _quality(validation, original), guards),
    )


def predict_archive(folder: Path, signature: ModelSignature, frame: pd.DataFrame) -> Predictions:
    """What the served model in `folder` predicts for the rows of `frame`, by the server's code."""
    import numpy as np

    from seatrial.serving.model import Model

    columns = {column.name: frame[column.name].to_numpy() for column in signature.inputs}
    answer = Model.load(folder).predict(columns, batch_rows=BATCH_ROWS)
    names = [column.name for column in signature.outputs if column.name != signature.label]
    return Predictions(
        labels=None if signature.label is None else answer[signature.label],
        scores=np.column_stack([np.asarray(answer[name], dtype=float) for name in names]),
    )


def _predict_original(fitted: Any, model: MlflowModel, validation: ValidationData) -> Predictions:
    import numpy as np

    frame = validation.frame[[column.name for column in model.columns]]
    if validation.task == "regression":
        return Predictions(None, np.asarray(fitted.predict(frame), dtype=float).reshape(-1, 1))
    scores = np.asarray(fitted.predict_proba(frame))
    labels = np.asarray(fitted.classes_)[scores.argmax(axis=1)]
    if validation.task == "binary_classification":
        scores = scores[:, 1:]
    return Predictions(labels, scores)


def _quality(validation: ValidationData, predicted: Predictions) -> dict[str, float]:
    score = None if validation.task == "multiclass_classification" else predicted.scores[:, 0]
    return measure_quality(validation.task, validation.truth, label=predicted.labels, score=score)


def _require_columns(model: MlflowModel, validation: ValidationData) -> None:
    wanted = [*(column.name for column in model.columns), validation.target]
    missing = [name for name in wanted if name not in validation.frame.columns]
    if missing or validation.frame.empty:
        raise InputError(
            "the validation data cannot be used for this model",
            got=f"{len(validation.frame)} rows without {', '.join(missing) or 'missing columns'}",
            allowed=f"rows with {', '.join(wanted)}",
            do="Register the model again with validation data that has these columns",
        )


def _folder_size_mb(folder: Path) -> float:
    return sum(item.stat().st_size for item in folder.rglob("*") if item.is_file()) / MB


def _versions() -> str:
    import onnxruntime
    import skl2onnx

    return f"skl2onnx {skl2onnx.__version__}, onnxruntime {onnxruntime.__version__}"


def fetch_package(arn: str, *, region: str, model_dir: Path, data: Path) -> ModelInputs:
    """Fetch the package's archive and all it brings along, each checked against its SHA-256."""
    package = describe_package(arn, client("sagemaker", region=region))
    inputs_uri = package.get("CustomerMetadataProperties", {}).get(INPUTS_KEY)
    if inputs_uri is None:
        raise InputError(
            f"the model package {arn} does not say what it was validated on",
            got=sorted(package.get("CustomerMetadataProperties", {})),
            allowed=f"a metadata property {INPUTS_KEY}",
            do="Register the model with seatrial's register",
        )
    s3 = S3(client("s3", region=region))
    sha256 = inputs_uri.split("/")[-2]
    s3.download(inputs_uri, data / "inputs.json", sha256=sha256)
    inputs = read_contract(ModelInputs, data / "inputs.json")
    for name, file in (
        ("reference.parquet", inputs.reference),
        ("validation.parquet", inputs.validation),
        ("payloads.jsonl", inputs.payloads),
    ):
        s3.download(file.uri, data / name, sha256=file.sha256)
    with TemporaryDirectory() as scratch:
        url = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
        archive = s3.download(url, Path(scratch) / "model.tar.gz")
        unpack(archive, model_dir, max_mb=load_limits().disk_mb.value)
    return inputs


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-package-arn", required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--candidates", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args(argv)
    config = read_resolved_config(args.config)
    arn = args.model_package_arn
    with TemporaryDirectory() as scratch:
        model_dir = Path(scratch)
        inputs = fetch_package(arn, region=config.region, model_dir=model_dir, data=args.data)
        frame = read_frame(args.data / "validation.parquet")
        validation = ValidationData(inputs.task, frame, inputs.target)
        optimize(model_dir, validation, config.guards, args.candidates, model_package_arn=arn)
    shutil.move(args.data / "payloads.jsonl", args.candidates / "payloads.jsonl")
    return 0


if __name__ == "__main__":
    run(main)
