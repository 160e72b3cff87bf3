"""Model Monitor's two files: the schema, and figures that are those of the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.contracts import InputColumn, OutputColumn
from seatrial.monitoring.baseline import Rows
from seatrial.monitoring.model_monitor import sketch_levels, write_model_monitor

COLUMNS = (
    InputColumn(name="carrier", type="string", required=False),
    InputColumn(name="review", type="string", required=False),
    InputColumn(name="temp", type="double", required=False),
    InputColumn(name="never", type="double", required=False),
    InputColumn(name="late", type="boolean", required=True),
    OutputColumn(name="label", type="long"),
)
ROWS = 5_000


@pytest.fixture(scope="module")
def inputs() -> Rows:
    random = np.random.default_rng(0)
    values = {
        "carrier": random.choice(np.array(["UA", "AA", None], dtype=object), ROWS),
        "review": np.array([f"a sentence, number {at}" for at in range(ROWS)], dtype=object),
        "temp": np.where(random.random(ROWS) < 0.1, np.nan, random.normal(0, 10, ROWS)),
        "never": np.full(ROWS, np.nan),
        "late": random.random(ROWS) < 0.2,
    }
    return Rows(values, None)


@pytest.fixture(scope="module")
def written(
    inputs: Rows, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("model-monitor")
    outputs = Rows({"label": np.arange(300) % 3}, None)
    write_model_monitor([inputs, outputs], COLUMNS, folder)
    assert "a sentence" not in (folder / "statistics.json").read_text()
    assert "a sentence" not in (folder / "constraints.json").read_text()
    found: list[dict[str, Any]] = [
        json.loads((folder / name).read_text()) for name in ("statistics.json", "constraints.json")
    ]
    return found[0], found[1]


def test_statistics_are_those_of_the_rows(inputs: Rows, written: Any) -> None:
    statistics, _ = written
    assert statistics["dataset"] == {"item_count": ROWS}
    features = {item["name"]: item for item in statistics["features"]}
    assert list(features) == [column.name for column in COLUMNS]
    assert [item["inferred_type"] for item in features.values()] == [
        *("String", "String", "Fractional", "Fractional", "Integral", "Integral")
    ]
    values = inputs.columns["temp"]
    present = values[~np.isnan(values)]
    temp = features["temp"]["numerical_statistics"]
    assert temp["common"] == {"num_present": len(present), "num_missing": ROWS - len(present)}
    assert temp["mean"] == pytest.approx(present.mean())
    assert temp["std_dev"] == pytest.approx(present.std())
    assert (temp["min"], temp["max"]) == (present.min(), present.max())
    kll = temp["distribution"]["kll"]
    edges = [item["lower_bound"] for item in kll["buckets"]] + [kll["buckets"][-1]["upper_bound"]]
    assert [item["count"] for item in kll["buckets"]] == np.histogram(present, edges)[0].tolist()
    carrier = features["carrier"]["string_statistics"]
    assert carrier["distinct_count"] == 2
    buckets = {
        item["value"]: item["count"] for item in carrier["distribution"]["categorical"]["buckets"]
    }
    assert buckets["UA"] == (inputs.columns["carrier"] == "UA").sum()
    assert features["label"]["numerical_statistics"]["common"]["num_present"] == 300
    assert features["never"]["numerical_statistics"] == {
        "common": {"num_present": 0, "num_missing": ROWS}
    }
    assert features["review"]["string_statistics"].keys() == {"common", "distinct_count"}


def test_constraints_are_what_the_rows_keep_to(inputs: Rows, written: Any) -> None:
    _, constraints = written
    features = {item["name"]: item for item in constraints["features"]}
    assert features["carrier"]["string_constraints"] == {"domains": ["AA", "UA"]}
    assert features["temp"]["num_constraints"] == {"is_non_negative": False}
    assert features["late"]["num_constraints"] == {"is_non_negative": True}
    present = 1 - np.isnan(inputs.columns["temp"]).mean()
    assert features["temp"]["completeness"] == pytest.approx(present)
    assert features["never"]["completeness"] == 0
    assert "string_constraints" not in features["review"]
    config = constraints["monitoring_config"]
    assert config["distribution_constraints"]["comparison_method"] == "Robust"


@pytest.mark.parametrize("rows", [1, 2048, 2049, 4096, 10_001])
def test_a_sketch_stands_for_every_row_and_has_its_quantiles(rows: int) -> None:
    values = np.sort(np.random.default_rng(0).normal(size=rows))
    levels = sketch_levels(values, 2048)
    assert sum(len(level) << at for at, level in enumerate(levels)) == rows
    assert max(map(len, levels)) <= 2048
    drawn = np.repeat(
        np.concatenate([np.array(level) for level in levels]),
        np.concatenate([np.full(len(level), 1 << at) for at, level in enumerate(levels)]),
    )
    assert np.abs(np.sort(drawn) - values).max() <= np.diff(values).max(initial=0) * 8
