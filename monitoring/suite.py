"""The Great Expectations suite of a baseline: what no sound window breaks, whatever the season.

Drift is for drift's bounds to tell. The suite is about broken data, so it is wide: a range has
slack, and one row in a hundred may be odd. Written as Great Expectations' own JSON without
importing it, which costs seconds.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from seatrial.contracts import DriftBound, NumericSummary, Summary
from seatrial.monitoring.columns import Column
from seatrial.monitoring.row_counts import RowCounts
from seatrial.monitoring.summary import ColumnSummary, missing_ratio
from seatrial.monitoring.text import measured_names

Expected = tuple[str, Mapping[str, Any]]
SUITE_NAME = "seatrial"
WRITTEN_FOR = "1.24.1"
MOSTLY = 0.99
# How far beyond the reference's lowest and highest value, in units of its range, still is sound.
RANGE_SLACK = 1.0
# More categories than this are names or texts, of which new ones are no fault.
MAX_CATEGORIES = 1000
# As pandas has the column: one with a gap is float64, and what is empty has no type of its own.
_TYPES = {
    "string": ["str", "object"],
    "boolean": ["bool", "float64", "object"],
    "integer": ["int64", "float64", "object"],
    "long": ["int64", "float64", "object"],
}


def build_suite(
    reference: Summary,
    columns: Iterable[Column],
    bounds: Iterable[DriftBound],
    *,
    floor: float,
    ids: Collection[str] = (),
    row_counts: Iterable[RowCounts] = (),
) -> dict[str, Any]:
    """The suite's JSON: numbers of rows; of each column existence, type, missing share and values.

    The share of missing values may grow by what the reference's own blocks do, at least by `floor`.
    Of a column's values: that they are unique if it is one of the `ids`, else range or categories.
    """
    strays: dict[str, float] = {}
    for item in bounds:
        if item.metric == "missing_ratio":
            strays[item.column] = max(item.bound, strays.get(item.column, 0.0))
    expectations = [item.expectation() for item in row_counts]
    expectations += [
        {"type": f"expect_{kind}", "kwargs": {"column": column.name, **kwargs}, "meta": {}}
        for column in columns
        for known in [_known_as(column.name, reference)]
        for kind, kwargs in (
            *_presence(column, reference.columns[known], max(floor, strays.get(known, 0.0))),
            *_values(column, reference.columns[known], unique=column.name in ids),
        )
    ]
    return {
        "name": SUITE_NAME,
        "expectations": expectations,
        "meta": {"great_expectations_version": WRITTEN_FOR},
    }


def write_suite(suite: Mapping[str, Any], path: Path) -> None:
    """Write the suite for Great Expectations, and for people who edit it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(suite, indent=2) + "\n", encoding="utf-8")


def _known_as(name: str, reference: Summary) -> str:
    """The reference's column that says how often this one is missing: a text's is its length."""
    return name if name in reference.columns else measured_names([name])[0]


def _presence(column: Column, summary: ColumnSummary, stray: float) -> Iterator[Expected]:
    yield "column_to_exist", {}
    types = _TYPES.get(column.type, ["float64", "object"])
    yield "column_values_to_be_in_type_list", {"type_list": types}
    allowed = min(1.0, missing_ratio(summary) + stray)
    yield "column_values_to_not_be_null", {"mostly": round(1 - allowed, 6)}


def _values(column: Column, summary: ColumnSummary, *, unique: bool) -> Iterator[Expected]:
    if unique:  # ids count up, so they have no range
        yield "column_values_to_be_unique", {"mostly": MOSTLY}
    elif isinstance(summary, NumericSummary):
        if summary.upper and column.type != "string":
            slack = RANGE_SLACK * (summary.upper[-1] - summary.upper[0])
            yield (
                "column_values_to_be_between",
                {
                    "min_value": summary.upper[0] - slack,
                    "max_value": summary.upper[-1] + slack,
                    "mostly": MOSTLY,
                },
            )
    elif column.type == "string" and 0 < len(summary.counts) <= MAX_CATEGORIES:
        values = {"value_set": list(summary.counts), "mostly": MOSTLY}
        yield "column_values_to_be_in_set", values
