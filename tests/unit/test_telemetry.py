"""No library calls home, or leaves a trace of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.localcloud.images import serving_python

LOAD = """
import seatrial, onnxruntime
from seatrial.serving.ort_library import runtime
runtime()
"""
PYTHONS = [sys.executable, serving_python()]


@pytest.mark.parametrize("python", PYTHONS, ids=["toolbox", "serving"])
def test_onnx_runtime_keeps_no_device_id(python: str | None, tmp_path: Path) -> None:
    if python is None:
        pytest.skip("make setup has made no serving environment")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORT_")}
    subprocess.run(
        [python, "-c", LOAD],
        env={**environment, "HOME": str(tmp_path)},
        check=True,
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
