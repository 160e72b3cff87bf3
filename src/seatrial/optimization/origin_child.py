"""Load a model, predict with it and convert it: `python -m seatrial.optimization.origin_child`.

Reads   request.json (Request) and the validation rows, in the working folder; the model's files.
Writes  out/: model.onnx, signature.json, predictions.npz, origin.json; or problem.json instead.

Runs in a confined child, because a model's files are code until proven otherwise.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.contracts import (
    MB,
    Contract,
    ModelSignature,
    Origin,
    Task,
    read_contract,
    write_contract,
)
from seatrial.errors import InputError, SeatrialError
from seatrial.optimization.flavors.original import Converted, Original, first_line
from seatrial.optimization.sources import Source, open_source

if TYPE_CHECKING:
    import pandas as pd

# Bounds the memory of a model whose working set grows with the rows of a batch.
BATCH_ROWS = 1000
# Above this a protobuf cannot be written in one piece; the weights go to a file beside it.
LARGEST_PROTOBUF = 1_900_000_000
VERSIONS = (
    *("numpy", "pandas", "scikit-learn", "skops", "xgboost-cpu", "xgboost", "lightgbm", "torch"),
    *("onnx", "onnxruntime", "skl2onnx", "onnxmltools", "picklescan"),
)


class Request(Contract):
    """What the parent asks for; `rows` is a Parquet file in the working folder."""

    source: Path
    rows: Path
    task: Task
    target: str
    trusted: bool


def prepare_here(request: Request, out: Path) -> Origin:
    """Do all of it in this process."""
    source = open_source(request.source)
    started = time.process_time()
    with _failure_told("a library that the model needs is not installed"):
        for name in source.libraries():
            importlib.import_module(name)
    imported_cpu_s = time.process_time() - started
    inspection = source.inspect(trusted=request.trusted)
    started = time.process_time()
    original = source.load(request.task, trusted=request.trusted)
    frame = _rows(request, source)
    with _failure_told("the original model fails on the validation data"):
        original.predict(frame.head(1))
    cold_cpu_s = imported_cpu_s + time.process_time() - started
    _predict(original, frame, out / "predictions.npz")
    write_converted(original.convert(), out)
    files = [item for item in source.files() if item.is_file()]
    return Origin(
        flavor=source.flavor,
        task=request.task,
        source_format=inspection.source_format,
        trusted_by=inspection.trusted_by,
        size_mb=sum(item.stat().st_size for item in files) / MB,
        rows=len(frame),
        versions=_versions(),
        files={item.relative_to(source.folder).as_posix(): _sha256(item) for item in files},
        findings=(*inspection.findings, *original.warnings),
        cold_cpu_s=cold_cpu_s,
    )


def _rows(request: Request, source: Source) -> pd.DataFrame:
    """The validation rows, of the model's columns in the signature's order."""
    import pandas as pd

    frame = pd.read_parquet(request.rows)
    names = source.column_names()
    missing = [name for name in names if name not in frame.columns]
    if missing or frame.empty:
        raise InputError(
            "the validation data cannot be used for this model",
            got=f"{len(frame)} rows without {', '.join(missing[:8]) or 'missing columns'}",
            allowed=f"rows with {', '.join(names[:20])}",
            do="Register the model again with validation data that has these columns",
        )
    if request.target in names:
        raise InputError(
            "the model takes what it is to predict as an input",
            got=request.target,
            allowed="a target that is none of the model's columns",
            do="Correct the target, or train the model without this column",
        )
    return frame[names]


def _predict(original: Original, frame: pd.DataFrame, path: Path) -> None:
    """In batches, so that memory does not grow with the rows; written without pickle."""
    import numpy as np

    with _failure_told("the original model fails on the validation data"):
        parts = [
            original.predict(frame.iloc[start : start + BATCH_ROWS])
            for start in range(0, len(frame), BATCH_ROWS)
        ]
    arrays = {"scores": np.concatenate([part.scores for part in parts])}
    labels = [part.labels for part in parts if part.labels is not None]
    if labels:
        found = np.concatenate(labels)
        if found.dtype.kind not in "iuU":
            found = found.astype(np.int64 if found.dtype.kind in "bf" else str)
        arrays["labels"] = found
    np.savez(path, allow_pickle=False, **arrays)


def write_converted(converted: Converted, out: Path) -> None:
    """model.onnx, with its weights in a file beside it if they are too many, and signature.json."""
    import onnx

    model = converted.onnx
    large = sum(len(item.raw_data) for item in model.graph.initializer) > LARGEST_PROTOBUF
    onnx.save(
        model,
        out / "model.onnx",
        save_as_external_data=large,
        location="model.onnx.data" if large else None,
    )
    signature: ModelSignature = converted.signature.model_copy(update={"model_file": "model.onnx"})
    write_contract(signature, out / "signature.json")


@contextmanager
def _failure_told(what: str) -> Iterator[None]:
    try:
        yield
    except (SeatrialError, MemoryError):
        raise
    except Exception as error:  # the model's own code and its library's raise what they like
        raise InputError(
            what,
            got=first_line(error),
            allowed="the libraries and the data that the model was made with",
            do="Compare the library versions and the columns with those of the training",
        ) from error


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    """The child's program; what the user can mend goes to problem.json."""
    request = read_contract(Request, Path("request.json"))
    out = Path("out")
    out.mkdir()
    try:
        write_contract(prepare_here(request, out), out / "origin.json")
    except SeatrialError as error:
        problem: dict[str, Any] = {
            key: str(getattr(error, key)) for key in ("what", "got", "allowed", "do")
        }
        Path("problem.json").write_text(json.dumps(problem), encoding="utf-8")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
