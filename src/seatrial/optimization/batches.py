"""Sample payloads, and the rows that are predicted and measured at their batch sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from seatrial.contracts import ModelSignature, Payload, first_problem
from seatrial.errors import InputError
from seatrial.monitoring.columns import columns_of
from seatrial.optimization.columns import write_columns, write_request
from seatrial.optimization.data import spread

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, np.dtype[Any]]

# Payloads where none are given: one row, and a batch that stays far below the service's 4 MB.
LARGER_ROWS = 100
MAX_BODY_BYTES = 2**20


def read_payloads(path: Path) -> list[Payload]:
    """The sample payloads, one JSON object a line; InputError names the line that is none."""
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, type(error).__name__) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(Payload.model_validate_json(line))
        except ValidationError as error:
            raise _unreadable(path, f"line {number}: {first_problem(error)}") from error
    if not found:
        raise _unreadable(path, "no payload")
    return found


def make_payloads(frame: pd.DataFrame, signature: ModelSignature) -> list[Payload]:
    """A single row and a batch of the validation data, as CSV without a header."""
    columns = [item.name for item in signature.inputs]
    body = frame.iloc[:LARGER_ROWS][columns].to_csv(index=False, header=False)
    lines = body.splitlines(keepends=True)
    while len(lines) > 1 and sum(len(line.encode()) for line in lines) > MAX_BODY_BYTES:
        lines = lines[: len(lines) // 2]
    chosen = {"one": lines[:1], "batch": lines} if len(lines) > 1 else {"one": lines}
    return [
        Payload(name=name, content_type="text/csv", rows=len(rows), body="".join(rows))
        for name, rows in chosen.items()
    ]


def write_payloads(payloads: Sequence[Payload], path: Path) -> None:
    """One JSON object a line."""
    path.write_text("".join(item.model_dump_json() + "\n" for item in payloads), encoding="utf-8")


@dataclass(frozen=True)
class RowFiles:
    """All validation rows, and a batch for each size as the columns of a request."""

    rows: Path
    batches: tuple[Path, ...]


def write_rows(
    frame: pd.DataFrame, signature: ModelSignature, sizes: Sequence[int], folder: Path
) -> RowFiles:
    """InputError if the frame lacks a column of the signature, or has it with another type."""
    import numpy as np

    columns = columns_of(frame, signature.inputs)
    batches = []
    for size in sorted(set(sizes)):
        chosen = np.arange(size) % len(frame)  # a batch larger than the data repeats it
        part = {name: values[chosen] for name, values in columns.items()}
        batches.append(write_request(part, folder / f"batch-{size}.json"))
    return RowFiles(write_columns(columns, folder / "rows.npz"), tuple(batches))


def write_calibration(
    frame: pd.DataFrame, signature: ModelSignature, rows: int, folder: Path
) -> Path | str:
    """Rows spread over the frame, or why it cannot be calibrated on."""
    if frame.empty:
        return "the calibration data has no rows"
    try:
        columns = columns_of(frame.iloc[spread(len(frame), rows)], signature.inputs)
    except InputError as error:
        return f"the calibration data does not match the signature: {error.what}, {error.got}"
    return write_columns(columns, folder / "calibration.npz")


def _unreadable(path: Path, got: str) -> InputError:
    return InputError(
        f"cannot use the sample payloads in {path.name}",
        got=got,
        allowed="one JSON object a line: name, content_type, rows, body",
        do="Correct the file, or leave it out: payloads are then made from the validation data",
    )
