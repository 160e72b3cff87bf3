"""An endpoint that is watched, without a container: its model, its rows, its records, its steps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper

from seatrial.archives import pack
from seatrial.aws import sha256_of
from seatrial.config import Config
from seatrial.contracts import (
    Agreement,
    Candidate,
    DataFile,
    InputColumn,
    ModelInputs,
    ModelSignature,
    Monitoring,
    Optimization,
    OutputColumn,
    read_contract,
    write_contract,
)
from seatrial.endpoint import BASELINE_TAG, PACKAGE_TAG, RECORDS_TAG
from seatrial.serving.arrays import encode
from seatrial.serving.model import Model
from seatrial.steps import (
    build_baseline,
    check_quality,
    collect_window,
    detect_drift,
    react,
    score_labels,
)

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/watched/1"
START = datetime(2024, 1, 1, tzinfo=UTC)
QUIET, MOVED = START + timedelta(days=84), START + timedelta(days=91)
ROWS_PER_HOUR = 8

SIGNATURE = ModelSignature(
    task="binary_classification",
    model_file="model.onnx",
    inputs=(
        InputColumn(name="carrier", type="string", required=False, onnx_input="carrier"),
        InputColumn(name="temp", type="double", required=False, onnx_input="numbers"),
        InputColumn(name="hour", type="long", required=True, onnx_input="numbers"),
    ),
    outputs=(
        OutputColumn(name="label", type="long", onnx_output="label"),
        OutputColumn(name="score", type="double", onnx_output="score"),
    ),
    label="label",
    score="score",
    input_example=({"carrier": "UA", "temp": 40.0, "hour": 7},),
)
COLUMNS = ["carrier", "temp", "hour"]


def write_model(folder: Path, signature: ModelSignature) -> Path:
    """score = sigmoid((temp - 40) / 10 + 1 for UA), label = score > 0.5.

    Inputs of the signature that are not SIGNATURE's are texts, and the model makes nothing of them.
    """
    number, text = helper.make_tensor_value_info, TensorProto.STRING
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["carrier"],
            ["ua"],
            domain="ai.onnx.ml",
            keys_strings=["UA"],
            values_floats=[1.0],
            default_float=0.0,
        ),
        helper.make_node("MatMul", ["numbers", "weights"], ["warmth"]),
        helper.make_node("Add", ["warmth", "offset"], ["odds"]),
        helper.make_node("Add", ["odds", "ua"], ["odds_of_carrier"]),
        helper.make_node("Sigmoid", ["odds_of_carrier"], ["score"]),
        helper.make_node("Greater", ["score", "half"], ["late"]),
        helper.make_node("Cast", ["late"], ["label"], to=TensorProto.INT64),
    ]
    constants = {"weights": ([2, 1], [0.1, 0.0]), "offset": ([1], [-4.0]), "half": ([1], [0.5])}
    graph = helper.make_graph(
        nodes,
        "watched",
        [
            number("carrier", text, [None, 1]),
            number("numbers", TensorProto.FLOAT, [None, 2]),
            *(number(item.name, text, [None, 1]) for item in signature.inputs[len(COLUMNS) :]),
        ],
        [
            number("label", TensorProto.INT64, [None, 1]),
            number("score", TensorProto.FLOAT, [None, 1]),
        ],
        [
            helper.make_tensor(name, TensorProto.FLOAT, shape, values)
            for name, (shape, values) in constants.items()
        ],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    folder.mkdir(parents=True)
    onnx.save(made, folder / signature.model_file)
    write_contract(signature, folder / "signature.json")
    return folder


def rows_from(start: datetime, days: int, *, seed: int, warmer: float = 0.0) -> pd.DataFrame:
    """Hours of rows; each day has weather of its own, and the truth follows the temperature."""
    random = np.random.default_rng(seed)
    hours = np.repeat(np.arange(days * 24), ROWS_PER_HOUR)
    day = np.repeat(random.normal(0, 3, days), 24 * ROWS_PER_HOUR)
    temp = 40 + warmer + day + random.normal(0, 10, len(hours))
    late = random.random(len(hours)) < 1 / (1 + np.exp(-(temp - 40 - warmer) / 10))
    carriers = np.array(["UA", "AA", "B6", None], dtype=object)
    return pd.DataFrame(
        {
            "carrier": random.choice(carriers, len(hours), p=[0.4, 0.3, 0.25, 0.05]),
            "temp": temp,
            "hour": hours % 24,
            "late": late.astype(np.int64),
            "at": pd.Timestamp(start) + pd.to_timedelta(hours, unit="h"),
        }
    )


@dataclass(frozen=True)
class Place:
    """Where the steps find and leave their files."""

    root: Path
    config: Config

    @property
    def config_file(self) -> str:
        return str(self.root / "config.yaml")

    def folder(self, name: str) -> str:
        return str(self.root / name)


def write_candidates(root: Path, signature: ModelSignature = SIGNATURE) -> None:
    model = write_model(root / "model", signature)
    archive = pack(model, root / "candidates" / "fp32" / "model.tar.gz")
    agreement = Agreement(rows=1, max_deviation=0, mean_deviation=0, label_agreement_ratio=1)
    candidate = Candidate(
        name="fp32",
        backend="onnxruntime",
        precision="fp32",
        graph_optimization="extended",
        archive="fp32/model.tar.gz",
        archive_sha256=sha256_of(archive),
        archive_size_mb=0.01,
        model_size_mb=0.01,
        agreement=agreement,
        quality={"auc": 0.73, "accuracy": 0.65},
        rejection=None,
    )
    optimization = Optimization(
        model_package_arn=ARN,
        flavor="sklearn",
        task=SIGNATURE.task,
        original_size_mb=1,
        original_quality={"auc": 0.73},
        candidates=(candidate,),
        optimizer="test",
        cpu="test",
    )
    write_contract(optimization, root / "candidates" / "optimization.json")


def write_data(root: Path) -> None:
    (root / "data").mkdir()
    rows = rows_from(START, 84, seed=0)
    validation = rows.index % 5 == 0
    rows[~validation].to_parquet(root / "data" / "reference.parquet")
    rows[validation].to_parquet(root / "data" / "validation.parquet")
    file = DataFile(uri="s3://lake/file", sha256="0" * 64)
    inputs = ModelInputs(
        task=SIGNATURE.task,
        validation=file,
        reference=file,
        payloads=file,
        target="late",
        time_column="at",
    )
    write_contract(inputs, root / "data" / "inputs.json")


def make_baseline(place: Place) -> Path:
    """BuildBaseline's folder."""
    code = build_baseline.main(
        [
            *("--candidates", place.folder("candidates")),
            *("--data", place.folder("data")),
            *("--config", place.config_file),
            *("--output", place.folder("baseline")),
            *("--model-package-arn", ARN),
        ]
    )
    assert code == 0
    return place.root / "baseline"


def record(event_id: str, at: datetime, asked: str, given: str, **ours: Any) -> bytes:
    document = {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": asked,
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "text/csv; charset=utf-8",
                "mode": "OUTPUT",
                "data": given,
                "encoding": "CSV",
            },
        },
        "eventMetadata": {"eventId": event_id, "inferenceTime": f"{at:%Y-%m-%dT%H:%M:%SZ}"},
        "eventVersion": "0",
        "seatrial": {
            "endpoint": "watched",
            "variant": "AllTraffic",
            "model_version": "watched-model",
            "latency_ms": 1.0,
            "cold": False,
            "rows": asked.count("\n"),
            "synthetic": False,
            "status": 200,
            **ours,
        },
    }
    return json.dumps(document).encode()


def serve(rows: pd.DataFrame, model: Model, name: str) -> Iterator[bytes]:
    """A record an hour, as the endpoint would have written it."""
    for number, (at, asked) in enumerate(rows.groupby("at")):
        columns = {column: asked[column].to_numpy() for column in COLUMNS}
        given = encode(model.predict(columns), "text/csv").decode()
        body = asked[COLUMNS].to_csv(index=False, header=False)
        yield record(f"{name}-{number}", at.to_pydatetime(), body, given)


def create_endpoint(sagemaker: Any, config: Config) -> None:
    """The endpoint with its tags, of a model of its own; its image answers nothing."""
    name, bucket = config.endpoint.name, config.bucket
    sagemaker.create_model(
        ModelName=f"{name}-model",
        ExecutionRoleArn=config.roles.endpoint,
        PrimaryContainer={
            "Image": "tiny",
            "ModelDataUrl": f"s3://{bucket}/models/{name}/model.tar.gz",
        },
    )
    tags = {
        BASELINE_TAG: f"s3://{bucket}/baselines/{name}",
        RECORDS_TAG: f"s3://{bucket}/predictions/{name}/AllTraffic",
        PACKAGE_TAG: ARN,
    }
    create_config(sagemaker, f"{name}-config", f"{name}-model", tags)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-config")


def create_config(sagemaker: Any, name: str, model: str, tags: Mapping[str, str]) -> None:
    """A configuration of one serverless variant."""
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": model,
                "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
            }
        ],
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )


def watch(place: Place, name: str, start: datetime, labels: str) -> Monitoring:
    """Run the five steps on one window, and return the verdict."""

    def folder(part: str) -> str:
        return place.folder(f"{name}/{part}")

    window = ["--window", folder("window"), "--config", place.config_file]
    codes = [
        collect_window.main(
            [
                *("--endpoint-name", place.config.endpoint.name),
                *("--window-start", f"{start:%Y-%m-%dT%H:%M:%SZ}"),
                *("--window-end", f"{start + timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}"),
                *("--config", place.config_file),
                *("--output", folder("window")),
            ]
        ),
        check_quality.main([*window, "--output", folder("quality")]),
        detect_drift.main([*window, "--output", folder("drift")]),
        score_labels.main([*window, "--labels", labels, "--output", folder("labels")]),
    ]
    found = [
        word for part in ("quality", "drift", "labels") for word in (f"--{part}", folder(part))
    ]
    codes.append(react.main([*window, *found, "--output", folder("monitoring")]))
    assert codes == [0] * 5
    return read_contract(Monitoring, Path(folder("monitoring")) / "monitoring.json")
