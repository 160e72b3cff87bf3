"""How far probabilities are from what they say: the same error for comparisons and for decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

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
    gaps = given @ bin_gaps(positive, score)
    error: Array = np.abs(gaps).sum(axis=1) / given.sum(axis=1)
    return error


def bin_gaps(positive: Array, score: Array) -> Array:
    """Each row's truth less its score, in the column of the bin that the score is in."""
    bins = np.minimum((score * BINS).astype(int), BINS - 1)
    gaps = np.zeros((len(score), BINS))
    gaps[np.arange(len(score)), bins] = positive - score
    return gaps
