"""The wheel owns one name, brings its files along, and imports nothing heavy by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import distribution
from importlib.resources import files

import pytest


def test_the_wheel_owns_one_name() -> None:
    assert (distribution("seatrial").read_text("top_level.txt") or "").split() == ["seatrial"]


@pytest.mark.parametrize("name", ["default.yaml", "dev.yaml", "prod.yaml", "limits.yaml"])
def test_configurations_come_along(name: str) -> None:
    assert (files("seatrial.configs") / name).is_file()


def test_prices_come_along() -> None:
    assert (files("seatrial.configs.pricing") / "us-east-1.yaml").is_file()


@pytest.mark.parametrize("module", ["seatrial", "seatrial.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", code]))
    heavy = {
        "boto3",
        "evidently",
        "great_expectations",
        "mlflow",
        "moto",
        "numba",
        "numpy",
        "onnxruntime",
        "pandas",
        "pydantic",
        "sagemaker",
        "sklearn",
    }
    assert not heavy & set(loaded)
