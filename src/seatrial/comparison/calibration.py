"""How much less a challenger's probabilities mean what they say, with paired intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.calibration import calibration_error
from seatrial.contracts import Estimate
from seatrial.optimization.drops import INTERVAL, resample_weights

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]


def calibration_rise(
    positive: Array, champion: Array, challenger: Array, *, resamples: int, seed: int
) -> Estimate:
    """By how much the challenger's calibration error is higher, in the same resamples."""
    value = calibration_error(positive, challenger) - calibration_error(positive, champion)
    draws = np.concatenate(
        [
            calibration_error(positive, challenger, weights)
            - calibration_error(positive, champion, weights)
            for weights in resample_weights(len(positive), resamples, seed)
        ]
    )
    low, high = np.percentile(draws, INTERVAL)
    return Estimate(value=float(value[0]), low=float(low), high=float(high))
