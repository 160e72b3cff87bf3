"""How much less a challenger's probabilities mean what they say, with paired intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import Estimate
from seatrial.optimization.drops import INTERVAL, resample_weights

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

BINS = 10


def calibration_error(positive: Array, score: Array, weights: Array | None = None) -> Array:
    """Expected calibration error in ten bins of equal width, for each row of `weights`.

    Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning
    (AAAI 2015). It is biased upwards with few rows; a difference on the same rows is less so.

    >>> calibration_error(np.array([0.0, 1.0]), np.array([0.25, 0.75])).tolist()
    [0.25]
    """
    given = np.ones((1, len(score))) if weights is None else weights
    bins = np.minimum((score * BINS).astype(int), BINS - 1)
    gaps = np.zeros((len(score), BINS))
    gaps[np.arange(len(score)), bins] = positive - score
    error: Array = np.abs(given @ gaps).sum(axis=1) / given.sum(axis=1)
    return error


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
