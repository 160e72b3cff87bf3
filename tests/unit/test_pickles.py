"""No pickle runs code of its choosing: its imports are read first, and no other is looked up."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.parallel import Parallel

from seatrial.errors import InputError
from seatrial.optimization.allowed_imports import is_allowed
from seatrial.optimization.flavors.estimators import inspect_object
from seatrial.optimization.pickles import (
    ListedUnpickler,
    load_pickle,
)


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self._call


def text(value: str) -> bytes:
    """SHORT_BINUNICODE."""
    return b"\x8c" + struct.pack("B", len(value)) + value.encode()


def harm(path: Path) -> dict[str, bytes]:
    """Pickles that write the file, each in its own way; {} marks where the command goes."""
    command = f"touch {path}"
    system = pickle.dumps(Calls(os.system, command))
    compressed = io.BytesIO()
    joblib.dump(Calls(os.system, command), compressed, compress=3)
    return {
        "a call of os.system": system,
        "a call of eval": pickle.dumps(Calls(eval, f"open({str(path)!r}, 'w')")),
        "protocol 0": pickle.dumps(Calls(os.system, command), protocol=0),
        "INST": b"(S'" + command.encode() + b"'\nios\nsystem\n.",
        "names from the memo": (
            b"\x80\x04"
            + text("posix")
            + b"\x94"
            + text("system")
            + b"\x94\x30\x30h\x00h\x01\x93"
            + text(command)
            + b"\x85R."
        ),
        "a name that is made while it loads": (
            b"\x80\x04cbuiltins\nstr\n"
            + text("os")
            + b"\x85R"
            + text("system")
            + b"\x93"
            + text(command)
            + b"\x85R."
        ),
        "dots in the name": (
            b"\x80\x04" + text("sklearn.base") + text("warnings.sys.modules") + b"\x93."
        ),
        "getattr": b"\x80\x04cbuiltins\ngetattr\ncsklearn.base\nBaseEstimator\n"
        + text("__subclasses__")
        + b"\x86R.",
        "numpy's loader of libraries": pickle.dumps(
            Calls(np.ctypeslib.load_library, "evil.so", str(path.parent))
        ),
        "numpy's ufunc by name": b"\x80\x04cnumpy._core\n_ufunc_reconstruct\n"
        + text("os")
        + text("system")
        + b"\x86R"
        + text(command)
        + b"\x85R.",
        "numpy's memory map": b"\x80\x04cnumpy\nmemmap\n"
        + text(str(path))
        + text("u1")
        + text("w+")
        + b"K\x00K\x01\x85t\x85R.",
        "a function hidden by its test module": b"\x80\x04csklearn.utils._testing\nos\n.",
        "an extension code": b"\x80\x02\x82\x01.",
        "a persistent id": b"\x80\x04Pid\n.",
        "a compressed joblib file": compressed.getvalue(),
        "a pickle in a pickle": pickle.dumps([system]),
        "a zip with a pickle": zipped(system),
        "half a pickle": system[:-6],
        "nothing": b"",
        "noise": b"\xff\x00 hello",
    }


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    return buffer.getvalue()


@pytest.mark.parametrize("name", sorted(harm(Path("/tmp/names-only"))))  # noqa: S108
def test_harm_is_refused_by_its_imports_and_does_not_happen(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / "model.pkl"
    path.write_bytes(harm(marker)[name])
    with pytest.raises(InputError, match=r"could run any code.*skops") as told:
        inspect_object(path, trusted=False)
    assert not marker.exists()
    if name == "a call of os.system":
        assert "imports of posix.system" in str(told.value)


@pytest.mark.parametrize("name", sorted(harm(Path("/tmp/names-only"))))  # noqa: S108
def test_harm_that_passes_a_scan_is_not_looked_up(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    try:
        found = ListedUnpickler(io.BytesIO(harm(marker)[name])).load()
    except Exception:  # whatever a broken pickle raises
        found = None
    assert found is None or (name == "a pickle in a pickle" and isinstance(found[0], bytes))
    assert not marker.exists()


def test_a_class_that_only_looks_like_an_estimator_is_not_looked_up() -> None:
    with pytest.raises(pickle.UnpicklingError, match="not an estimator"):
        ListedUnpickler(io.BytesIO(pickle.dumps(Parallel))).load()


def models() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 3))
    labels = np.where(rows[:, 0] > 0, "late", "early")
    return {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels),
        "forest": RandomForestClassifier(3, random_state=np.random.RandomState(0)).fit(
            rows, labels
        ),
        "boosted": HistGradientBoostingClassifier(max_iter=2).fit(rows, labels),
        "neighbours": KNeighborsClassifier(algorithm="kd_tree").fit(rows, labels),
        "vectors": SVC().fit(rows, labels),
    }


@pytest.mark.parametrize("name", ["logistic", "forest", "boosted", "neighbours", "vectors"])
def test_plain_estimators_are_on_the_list(name: str, tmp_path: Path) -> None:
    model = models()[name]
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    found = inspect_object(path, trusted=False)
    assert (found.source_format, found.trusted_by, found.findings) == ("pickle", "allow list", ())
    loaded = ListedUnpickler(io.BytesIO(path.read_bytes())).load()
    rows = np.eye(3)
    assert list(loaded.predict(rows)) == list(model.predict(rows))


def test_a_function_of_the_user_is_refused_by_name(tmp_path: Path) -> None:
    import cloudpickle
    from sklearn.preprocessing import FunctionTransformer

    path = tmp_path / "model.pkl"
    path.write_bytes(cloudpickle.dumps(FunctionTransformer(lambda rows: rows)))
    with pytest.raises(InputError, match=r"cloudpickle\.cloudpickle\._make_function"):
        inspect_object(path, trusted=False)


def test_what_a_trusted_pickle_imports_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Calls(os.system, "true")))
    found = inspect_object(path, trusted=True)
    assert found.trusted_by == "user"
    assert found.findings == ("imports posix.system", "not on the allow list: posix.system")


def test_outside_a_confined_child_nothing_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(models()["logistic"]))
    with pytest.raises(InputError, match="cannot confine a process"):
        load_pickle(path, trusted=True)


def test_a_function_in_a_skops_file_is_refused_by_name(tmp_path: Path) -> None:
    import skops.io

    path = tmp_path / "model.skops"
    skops.io.dump(models()["logistic"], path)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files["schema.json"])
    schema["content"] = {
        "__class__": "system",
        "__module__": "posix",
        "__loader__": "FunctionNode",
        "__id__": 1,
        "content": "system",
    }
    files["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(
        InputError, match=r"types of packages that are not trusted: got 'posix\.sys"
    ):
        inspect_object(path, trusted=False)


@pytest.mark.parametrize(
    ("module", "name", "allowed"),
    [
        ("sklearn.linear_model._logistic", "LogisticRegression", True),
        ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor", True),
        ("lightgbm.basic", "Booster", True),
        ("copy_reg", "_reconstructor", True),
        ("sklearn.utils._testing", "TempMemmap", False),
        ("sklearn.externals.array_api", "Thing", False),
        ("sklearn.utils", "check_array", False),
        ("sklearnx.evil", "Estimator", False),
        ("sklearn", "Estimator", False),
        ("sklearn.base", "BaseEstimator.__subclasses__", False),
        ("builtins", "getattr", False),
        ("builtins", "eval", False),
        ("numpy", "load", False),
        ("numpy.f2py", "compile", False),
        ("pandas", "read_pickle", False),
        ("joblib.numpy_pickle", "load", False),
        ("unknown", "unknown", False),
    ],
)
def test_the_list_goes_by_whole_names(module: str, name: str, allowed: bool) -> None:
    assert is_allowed(module, name) is allowed
