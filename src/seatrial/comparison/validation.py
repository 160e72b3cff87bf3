"""The rows that both sides are judged on, and what a package of the challenger will bring along."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.aws import S3
from seatrial.contracts import ModelSignature, Task, read_contract
from seatrial.errors import InputError
from seatrial.optimization.batches import make_payloads, read_payloads, write_payloads
from seatrial.optimization.data import ValidationData, read_frame
from seatrial.pipelines.registration import INPUTS_KEY, InputFiles, fetch_inputs, packages
from seatrial.serving.arrays import decode
from seatrial.serving.errors import RequestError
from seatrial.serving.signature import read_signature

if TYPE_CHECKING:
    import pandas as pd

RUN_KEY = "mlflow.run_id"
# Batch sizes without sample payloads to take them from: one row, and a batch.
DEFAULT_SIZES = (1, 100)


@dataclass(frozen=True)
class Brought:
    """The files and what they mean; without `payloads` some are made of the validation data."""

    task: Task
    target: str
    time_column: str | None
    validation: Path
    reference: Path
    payloads: Path | None
    source: str

    def rows(self) -> ValidationData:
        """The validation rows; InputError without any that have a label."""
        found = ValidationData(self.task, read_frame(self.validation), self.target)
        found.require_labels()
        return found

    def sizes(self) -> list[int]:
        """The rows of the sample payloads."""
        if self.payloads is None:
            return list(DEFAULT_SIZES)
        return sorted({item.rows for item in read_payloads(self.payloads)})

    def files_for(self, folder: Path, scratch: Path) -> InputFiles:
        """The files for the package of the model whose signature.json is in `folder`.

        Payloads that its server would refuse, since it takes other columns than the model that they
        were made for, are made again of the validation data.
        """
        signature = read_contract(ModelSignature, folder / "signature.json")
        names = [item.name for item in signature.inputs]
        names += [self.time_column] if self.time_column else []
        _require_columns(read_frame(self.reference), names)
        place = scratch / "brought"
        place.mkdir()
        payloads = place / "payloads.jsonl"
        if self.payloads is not None and _taken(self.payloads, folder):
            shutil.copy(self.payloads, payloads)
        else:
            write_payloads(make_payloads(read_frame(self.validation), signature), payloads)
        # the same content has the same address by the same name only
        shutil.copy(self.validation, place / "validation.parquet")
        shutil.copy(self.reference, place / "reference.parquet")
        return InputFiles.in_folder(
            place, self.task, target=self.target, time_column=self.time_column
        )


def _taken(payloads: Path, folder: Path) -> bool:
    """Whether the model's server takes them all."""
    signature = read_signature(folder)
    try:
        for item in read_payloads(payloads):
            decode(item.body.encode(), item.content_type, signature)
    except RequestError:
        return False
    return True


def _require_columns(reference: pd.DataFrame, names: list[str]) -> None:
    """InputError for reference data that a drift baseline of this model cannot be made of."""
    missing = [name for name in names if name not in reference.columns]
    if missing:
        raise InputError(
            "the reference data lacks columns",
            got=", ".join(missing[:8]),
            allowed="every input column of the challenger, and the time column",
            do="Give data that has them, with --data and --reference, or correct --time-column",
        )


def registered(
    group: str, run_id: str | None, folder: Path, *, s3: S3, sagemaker: Any
) -> Brought | None:
    """What the champion's package was validated on, else the group's newest; None without any."""
    able = [
        package
        for package in packages(group, sagemaker)
        if INPUTS_KEY in package.get("CustomerMetadataProperties", {})
    ]
    its_own = [p for p in able if p["CustomerMetadataProperties"].get(RUN_KEY) == run_id]
    chosen = next(iter([*its_own, *able]), None)
    if chosen is None:
        return None
    inputs = fetch_inputs(chosen, folder, s3)
    return Brought(
        task=inputs.task,
        target=inputs.target,
        time_column=inputs.time_column,
        validation=folder / "validation.parquet",
        reference=folder / "reference.parquet",
        payloads=folder / "payloads.jsonl",
        source=str(chosen["ModelPackageArn"]),
    )
