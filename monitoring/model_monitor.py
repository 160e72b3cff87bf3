"""`statistics.json` and `constraints.json` as SageMaker Model Monitor has them.

For whoever goes on with Model Monitor's container on the records: seatrial itself reads neither.
Columns that are hidden are in neither file, and of free text there are counts alone.

    https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-statistics.html
    https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-constraints.html
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.monitoring.baseline import Rows
from seatrial.monitoring.columns import Column
from seatrial.monitoring.text import is_text
from seatrial.serving.arrays import is_missing

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

STATISTICS, CONSTRAINTS = "statistics.json", "constraints.json"
VERSION = 0.0
BUCKETS = 10
# Model Monitor's own parameters of a KLL sketch; a level holds no more values than k.
SKETCH = {"c": 0.64, "k": 2048.0}
# Model Monitor's own defaults.
CONFIG = {
    "evaluate_constraints": "Enabled",
    "emit_metrics": "Enabled",
    "datatype_check_threshold": 0.1,
    "domain_content_threshold": 0.1,
    "distribution_constraints": {
        "perform_comparison": "Enabled",
        "comparison_threshold": 0.1,
        "comparison_method": "Robust",
    },
}


def write_model_monitor(parts: Sequence[Rows], columns: Iterable[Column], folder: Path) -> None:
    """Write both files of these columns of the parts."""
    values = {name: found for part in parts for name, found in part.columns.items()}
    known = [(column, values[column.name]) for column in columns if column.name in values]
    statistics = {
        "version": VERSION,
        "dataset": {"item_count": len(parts[0])},
        "features": [_statistics(column, found) for column, found in known],
    }
    constraints = {
        "version": VERSION,
        "features": [_constraints(column, found) for column, found in known],
        "monitoring_config": CONFIG,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((STATISTICS, statistics), (CONSTRAINTS, constraints)):
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / name).write_text(text + "\n", encoding="utf-8")


def _inferred(column: Column) -> str:
    if column.type == "string":
        return "String"
    return "Fractional" if column.type in ("float", "double") else "Integral"


def _statistics(column: Column, values: Array) -> dict[str, Any]:
    present = values[~is_missing(values)]
    feature = {"name": column.name, "inferred_type": _inferred(column)}
    common = {"num_present": len(present), "num_missing": len(values) - len(present)}
    if column.type == "string":
        return feature | {"string_statistics": {"common": common} | _texts(values, present)}
    return feature | {"numerical_statistics": {"common": common} | _numbers(present)}


def _texts(values: Array, present: Array) -> dict[str, Any]:
    counts = Counter(present.tolist())
    found: dict[str, Any] = {"distinct_count": float(len(counts))}
    if not is_text(values):
        buckets = [{"value": name, "count": count} for name, count in counts.most_common()]
        found["distribution"] = {"categorical": {"buckets": buckets}}
    return found


def _numbers(present: Array) -> dict[str, Any]:
    """Nothing of a column that was never there."""
    if not len(present):
        return {}
    numbers = np.sort(present.astype(np.float64))
    edges = np.linspace(numbers[0], numbers[-1], BUCKETS + 1)
    # A value at an edge is in the bucket above it, the last one's upper end apart.
    below = np.searchsorted(numbers, edges, side="left")
    below[-1] = len(numbers)
    buckets = [
        {"lower_bound": low, "upper_bound": high, "count": float(count)}
        for low, high, count in zip(
            edges[:-1].tolist(), edges[1:].tolist(), np.diff(below).tolist(), strict=True
        )
    ]
    sketch = {"parameters": SKETCH, "data": sketch_levels(numbers, int(SKETCH["k"]))}
    return {
        "mean": float(numbers.mean()),
        "sum": float(numbers.sum()),
        "std_dev": float(numbers.std()),
        "min": float(numbers[0]),
        "max": float(numbers[-1]),
        "distribution": {"kll": {"buckets": buckets, "sketch": sketch}},
    }


def sketch_levels(ordered: Array, most: int) -> list[list[float]]:
    """A KLL sketch: a value of level i stands for 2**i of them, its neighbours in order.

    >>> sketch_levels(np.arange(9.0), 2)
    [[8.0], [], [1.0, 5.0]]
    """
    level = 0
    while len(ordered) >> level > most:
        level += 1
    step = 1 << level
    whole = len(ordered) // step * step
    chosen = ordered[:whole].reshape(-1, step)[:, (step - 1) // 2].tolist()
    if not level:
        return [chosen]
    return [ordered[whole:].tolist(), *([] for _ in range(level - 1)), chosen]


def _constraints(column: Column, values: Array) -> Mapping[str, Any]:
    missing = is_missing(values)
    feature: dict[str, Any] = {
        "name": column.name,
        "inferred_type": _inferred(column),
        "completeness": float(1 - missing.mean()),
    }
    if column.type != "string":
        least = values[~missing].astype(np.float64).min(initial=0.0)
        return feature | {"num_constraints": {"is_non_negative": bool(least >= 0)}}
    if is_text(values):
        return feature
    return feature | {"string_constraints": {"domains": sorted(set(values[~missing].tolist()))}}
