"""Percentiles from cells: near the nearest rank's value, and what is not a percentile."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from seatrial.localcloud.percentiles import cell_value, percentile, read_percentile


@pytest.mark.parametrize("percent", [0, 50, 90, 99, 99.9, 100])
def test_cells_are_within_half_a_percent_of_the_nearest_rank(percent: float) -> None:
    draw = random.Random(7)
    values = sorted(draw.lognormvariate(8, 1.5) for _ in range(5000))
    exact = percentile([(value, 1) for value in values], percent)
    assert exact == values[max(0, math.ceil(len(values) * percent / 100) - 1)]
    cells = Counter(cell_value(value) for value in values)
    assert percentile(cells.items(), percent) == pytest.approx(exact, rel=0.005)
    assert len(cells) < 1200


def test_zero_has_a_cell_of_its_own() -> None:
    assert cell_value(0) == 0
    assert percentile([(0.0, 9), (1.0, 1)], 90) == 0
    assert percentile([(0.0, 9), (1.0, 1)], 91) == 1


@pytest.mark.parametrize(
    ("name", "percent"),
    [
        ("p0", 0),
        ("p50", 50),
        ("p99.9", 99.9),
        ("p100", 100),
        ("p100.1", None),
        ("p101", None),
        ("p", None),
        ("tm90", None),
        ("p-1", None),
    ],
)
def test_names(name: str, percent: float | None) -> None:
    assert read_percentile(name) == percent
