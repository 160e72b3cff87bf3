"""A model is prepared in a confined child: what may run runs there, and what may not does not."""

from __future__ import annotations

import ctypes
import os
import pickle
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LogisticRegression

from seatrial.contracts import Origin, read_contract
from seatrial.errors import InputError
from seatrial.optimization.children import ChildLimits
from seatrial.optimization.landlock import LANDLOCK_CREATE
from seatrial.optimization.origin import prepare, read_predictions
from seatrial.optimization.trust import Trust

pytestmark = pytest.mark.flow

ROWS = pd.DataFrame(np.random.default_rng(0).normal(size=(2500, 2)), columns=["a", "b"])
ROWS["late"] = (ROWS["a"] > 0).astype(int)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain model as MLflow saves it with cloudpickle."""
    import mlflow.sklearn
    from mlflow.models import infer_signature

    folder = tmp_path_factory.mktemp("models") / "plain"
    inputs = ROWS[["a", "b"]]
    fitted = LogisticRegression().fit(inputs, ROWS["late"])
    mlflow.sklearn.save_model(
        fitted,
        folder,
        serialization_format="cloudpickle",
        signature=infer_signature(inputs, fitted.predict(inputs)),
        input_example=inputs.head(2),
        pip_requirements=[],
    )
    return folder


def model_with(saved: Path, folder: Path, content: bytes) -> Path:
    """The model with these bytes as its pickle."""
    shutil.copytree(saved, folder)
    (folder / "model.pkl").write_bytes(content)
    return folder


class Calls:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self._call


def prepared(source: Path, out: Path, *, trust: Trust | None = None, **limits: Any) -> Origin:
    return prepare(
        source,
        ROWS,
        "late",
        "binary_classification",
        out,
        trust=trust or Trust(),
        limits=ChildLimits(**{"memory_mb": 2048, "seconds": 60, **limits}),
    )


def test_a_plain_pickle_is_prepared(saved: Path, tmp_path: Path) -> None:
    found = prepared(saved, tmp_path / "out")
    assert (found.source_format, found.trusted_by, found.rows) == ("pickle", "allow list", 2500)
    assert 0 < found.cold_cpu_s < 60
    assert read_contract(Origin, tmp_path / "out" / "origin.json") == found
    assert read_predictions(tmp_path / "out" / "predictions.npz").scores.shape == (2500, 1)
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == [
        "model.onnx",
        "origin.json",
        "predictions.npz",
        "signature.json",
    ]


def test_the_same_model_is_prepared_to_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    for name in "ab":
        prepared(saved, tmp_path / name)
    first, second = ((tmp_path / name / "model.onnx").read_bytes() for name in "ab")
    assert first == second


def test_a_harmful_pickle_is_refused_before_it_runs(saved: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    source = model_with(
        saved, tmp_path / "model", pickle.dumps(Calls(os.system, f"touch {marker}"))
    )
    with pytest.raises(InputError, match=r"imports of posix\.system"):
        prepared(source, tmp_path / "out")
    assert not marker.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "call",
    [
        pytest.param((os.system, "touch {marker}"), id="a command"),
        pytest.param((eval, "open('{marker}', 'w')"), id="a file elsewhere"),
        pytest.param((eval, "__import__('socket').create_connection(('127.0.0.1', 9))"), id="net"),
    ],
)
def test_trusted_code_runs_in_the_child_and_gets_nowhere(
    call: tuple[Any, str], saved: Path, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    if "open(" in call[1] and ctypes.CDLL(None).syscall(LANDLOCK_CREATE, None, 0, 1) < 1:
        pytest.skip("this kernel has no Landlock")
    content = pickle.dumps(Calls(call[0], call[1].replace("{marker}", str(marker))))
    source = model_with(saved, tmp_path / "model", content)
    with pytest.raises(InputError):
        prepared(source, tmp_path / "out", trust=Trust(by_user=True))
    assert not marker.exists()


def test_a_trusted_pickle_is_recorded_as_such(saved: Path, tmp_path: Path) -> None:
    fitted = LogisticRegression().fit(ROWS[["a", "b"]], ROWS["late"])
    fitted.note = Calls(os.getcwd)
    source = model_with(saved, tmp_path / "model", pickle.dumps(fitted))
    with pytest.raises(InputError, match=r"posix\.getcwd"):
        prepared(source, tmp_path / "out")
    found = prepared(source, tmp_path / "out", trust=Trust(by_user=True))
    assert found.trusted_by == "user"
    assert "not on the allow list: posix.getcwd" in found.findings


def test_a_pickle_that_fills_the_memory_is_ended(saved: Path, tmp_path: Path) -> None:
    content = b"\x80\x04cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\x00\x01\x85R."  # 4 GB
    source = model_with(saved, tmp_path / "model", content)
    with pytest.raises(InputError, match="used more memory than it may"):
        prepared(source, tmp_path / "out", memory_mb=1024)


def test_a_model_that_takes_too_long_is_ended(saved: Path, tmp_path: Path) -> None:
    source = model_with(saved, tmp_path / "model", pickle.dumps(Calls(time.sleep, 600)))
    with pytest.raises(InputError, match="used more time than it may"):
        prepared(source, tmp_path / "out", trust=Trust(by_user=True), seconds=5)


def test_a_link_that_a_model_leaves_is_not_followed(saved: Path, tmp_path: Path) -> None:
    code = (
        "(__import__('os').symlink('/etc/hostname', 'out/model.onnx'), __import__('os')._exit(0))"
    )
    source = model_with(saved, tmp_path / "model", pickle.dumps(Calls(eval, code)))
    with pytest.raises(InputError, match=r"model\.onnx is not a file"):
        prepared(source, tmp_path / "out", trust=Trust(by_user=True))
    assert not list((tmp_path / "out").iterdir())


def test_a_file_outside_the_model_is_not_read(saved: Path, tmp_path: Path) -> None:
    source = shutil.copytree(saved, tmp_path / "model")
    description = yaml.safe_load((source / "MLmodel").read_text())
    description["flavors"]["sklearn"]["pickled_model"] = "../other.pkl"
    (source / "MLmodel").write_text(yaml.safe_dump(description))
    (tmp_path / "other.pkl").write_bytes((source / "model.pkl").read_bytes())
    with pytest.raises(InputError, match="in the model's own folder"):
        prepared(source, tmp_path / "out")
