"""What a baseline is made of: the model's inputs, and its answers to rows it has not seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.calibration import calibration_error
from seatrial.config import Config
from seatrial.contracts import ModelSignature, ScoreCalibration, SlicedColumn
from seatrial.errors import ConfigError
from seatrial.monitoring.baseline import Rows, can_stand_for_outputs
from seatrial.monitoring.columns import columns_of, times_of
from seatrial.monitoring.promises import Promising, learn_promises
from seatrial.monitoring.slices import sliced_column
from seatrial.optimization.measuring import BATCH_ROWS

if TYPE_CHECKING:
    import pandas as pd

    from seatrial.serving.model import Model


@dataclass(frozen=True)
class Evidence:
    """What labelled rows tell of the model; `quality` is what the guards do not measure."""

    score_calibration: ScoreCalibration | None
    quality: dict[str, float]
    slices: tuple[SlicedColumn, ...]


def reference_parts(
    reference: pd.DataFrame,
    validation: pd.DataFrame | None,
    model: Model,
    signature: ModelSignature,
    time_column: str | None,
    config: Config,
) -> list[Rows]:
    """Input columns of the reference; predictions for validation rows, else for the reference's."""
    inputs = _input_rows(reference, signature, time_column)
    unseen = None if validation is None else _input_rows(validation, signature, time_column)
    if unseen is None or not can_stand_for_outputs(unseen, config.monitoring):
        unseen = inputs
    predicted = model.predict(unseen.columns, batch_rows=BATCH_ROWS)
    return [inputs, Rows(predicted, unseen.times)]


def validated_rows(
    validation: pd.DataFrame | None, target: str, model: Model, signature: ModelSignature
) -> pd.DataFrame | None:
    """Validation rows with the model's answers and their `truth`, each a request of its own."""
    import pandas as pd

    if validation is None or target not in validation:
        return None
    inputs = _input_rows(validation, signature, None).columns
    answers = model.predict(inputs, batch_rows=BATCH_ROWS)
    truth, requests = validation[target].to_numpy(), map(str, range(len(validation)))
    rows = pd.DataFrame({**inputs, **answers, "truth": truth, "event_id": list(requests)})
    return rows.dropna(subset=["truth"])


def evidence(
    reference: pd.DataFrame,
    rows: pd.DataFrame | None,
    signature: ModelSignature,
    config: Config,
    *,
    hidden: Collection[str],
    seed: int,
) -> Evidence:
    """How good the answers to the validated rows are; nothing is known without such rows."""
    calibration, quality = None, dict[str, float]()
    if rows is not None and signature.task != "regression":
        calibration = learn_promises(rows, signature)
        if calibration is not None and signature.task == "binary_classification":
            answered = rows.dropna(subset=[signature.score])
            truth, score = answered["truth"].to_numpy(), answered[signature.score].to_numpy()
            quality = {"ece": float(calibration_error(truth.astype(float), score)[0])}
    promising = Promising(signature, calibration, config.monitoring.min_rows)
    asked = config.monitoring.slices
    slices = _sliced_columns(asked, reference, rows, promising, hidden=hidden, seed=seed)
    return Evidence(calibration, quality, slices)


def _sliced_columns(
    asked: Sequence[str],
    reference: pd.DataFrame,
    rows: pd.DataFrame | None,
    promising: Promising,
    *,
    hidden: Collection[str],
    seed: int,
) -> tuple[SlicedColumn, ...]:
    """The configured slices as they are on the validated rows; ConfigError if they cannot be."""
    known = [item.name for item in promising.signature.inputs]
    allowed = [name for name in known if name not in hidden]
    wrong = [name for name in asked if name not in allowed]
    if wrong or (asked and rows is None):
        raise ConfigError(
            "monitoring.slices cannot be made",
            got=", ".join(wrong) or "validation data without the target",
            allowed=f"{', '.join(allowed)}; validation rows with their truth",
            do="Correct the names; a column that is not recorded as it is cannot be sliced by",
        )
    return tuple(
        sliced_column(name, reference[name], rows, promising, seed=seed)
        for name in asked
        if rows is not None
    )


def _input_rows(frame: pd.DataFrame, signature: ModelSignature, time_column: str | None) -> Rows:
    times = None if time_column is None else times_of(frame, time_column)
    return Rows(columns_of(frame, signature.inputs), times)
