"""What a baseline is made of: the model's inputs, and its answers to rows it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.config import Config
from seatrial.contracts import ModelSignature, ScoreCalibration
from seatrial.monitoring.baseline import Rows, can_stand_for_outputs
from seatrial.monitoring.columns import columns_of, times_of
from seatrial.monitoring.estimates import learn_calibration
from seatrial.optimization.measuring import BATCH_ROWS

if TYPE_CHECKING:
    import pandas as pd

    from seatrial.serving.model import Model


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


def score_calibration(
    validation: pd.DataFrame | None, target: str, model: Model, signature: ModelSignature
) -> ScoreCalibration | None:
    """How often the validation rows' scores came true; None but for a binary classifier."""
    binary = signature.task == "binary_classification" and signature.score is not None
    if validation is None or not binary or target not in validation:
        return None
    inputs = _input_rows(validation, signature, None)
    score = model.predict(inputs.columns, batch_rows=BATCH_ROWS)[str(signature.score)]
    return learn_calibration(score, validation[target].to_numpy())


def _input_rows(frame: pd.DataFrame, signature: ModelSignature, time_column: str | None) -> Rows:
    times = None if time_column is None else times_of(frame, time_column)
    return Rows(columns_of(frame, signature.inputs), times)
