"""What a model is and what it brings along: `inputs.json` and `signature.json`."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from seatrial.contracts.base import Contract, Part

Task = Literal["binary_classification", "multiclass_classification", "regression"]
ColumnType = Literal["boolean", "integer", "long", "float", "double", "string"]


class DataFile(Part):
    """A file in S3, addressed by content."""

    uri: str = Field(pattern=r"^s3://[^/]+/.+")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ModelInputs(Contract):
    """What the steps need besides the model; its URI stands in the model package's metadata.

    `reference` and `validation` are Parquet files that hold every input column of the model.
    """

    task: Task
    validation: DataFile
    reference: DataFile
    payloads: DataFile
    target: str
    time_column: str | None = None


class Payload(Contract):
    """One line of `payloads.jsonl`: a request as a client will send it."""

    name: str = Field(pattern=r"^[A-Za-z0-9-]{1,63}$")
    content_type: Literal["text/csv", "application/json", "application/jsonlines"]
    rows: PositiveInt
    body: str


class InputColumn(Part):
    """One column of a request, in the order of a CSV body without a header.

    Columns with the same `onnx_input` are stacked in order into one tensor (rows, columns). It is
    empty where the archive's own code/inference.py runs the model.
    """

    name: str
    type: ColumnType
    required: bool
    onnx_input: str = ""


class OutputColumn(Part):
    """One column of the answer: `onnx_output`, of which `index` is taken along the second axis."""

    name: str
    type: ColumnType
    onnx_output: str = ""
    index: int | None = None


class ExampleRequest(Part):
    """A request for a model whose input_fn reads something else than columns, an image say.

    Exactly one of `body` (text) and `body_base64` is given.
    """

    content_type: str
    body: str | None = None
    body_base64: str | None = None

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if (self.body is None) == (self.body_base64 is None):
            raise ValueError("exactly one of body and body_base64 is needed")
        return self


class ModelSignature(Contract):
    """`signature.json`, beside the model file in the archive: all that serving knows of a model.

    `score` and `label` name the output columns that monitoring compares with true labels.
    """

    task: Task
    model_file: str
    inputs: tuple[InputColumn, ...] = Field(min_length=1)
    outputs: tuple[OutputColumn, ...] = Field(min_length=1)
    label: str | None
    score: str | None
    input_example: tuple[dict[str, Any], ...] = Field(min_length=1)
    example_request: ExampleRequest | None = None
