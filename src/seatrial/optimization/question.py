"""What an answer depends on, as one hash; and the answer that was given to it before."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.aws import sha256_of
from seatrial.contracts import Optimization, read_contract
from seatrial.errors import ContractError, InputError
from seatrial.optimization.onnx_safety import check_onnx, external_files

if TYPE_CHECKING:
    import pandas as pd

LIBRARIES = ("seatrial", "onnx", "onnxruntime", "numpy", "scikit-learn", "skl2onnx")


def ask(values: Mapping[str, Any], files: Mapping[str, Path]) -> str:
    """The hash over values and the content of files and folders, whatever they are called."""
    question = {
        "values": values,
        "files": {name: content_sha256(path) for name, path in files.items()},
        "libraries": {name: _version(name) for name in LIBRARIES},
    }
    text = json.dumps(question, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def content_sha256(path: Path) -> str:
    """Of a file; of a folder's files by their relative names; of an ONNX file with its signature
    and the files that hold its weights.
    """
    if path.is_dir():
        parts = {item.relative_to(path).as_posix(): item for item in path.rglob("*")}
    elif path.suffix == ".onnx":
        beside: tuple[str, ...] = ()
        with contextlib.suppress(InputError):  # it will be refused for that, with the reason
            beside = ("signature.json", *external_files(check_onnx(path)))
        parts = {"": path} | {name: path.parent / name for name in beside}
    else:
        return sha256_of(path)
    lines = [f"{name} {sha256_of(item)}" for name, item in sorted(parts.items()) if item.is_file()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def earlier_answer(output: Path, question: str) -> Optimization | None:
    """The answer in `output` to this very question, if it is there whole."""
    try:
        found = read_contract(Optimization, output / "optimization.json")
    except ContractError:
        return None
    if found.inputs_sha256 != question or not (output / "payloads.jsonl").is_file():
        return None
    for item in found.candidates:
        if item.archive is not None:
            archive = output / item.archive
            if not archive.is_file() or sha256_of(archive) != item.archive_sha256:
                return None
    return found


def frame_sha256(frame: pd.DataFrame) -> str:
    """Of the rows in their order, whatever file they came in."""
    import pandas as pd

    found = hashlib.sha256(repr([(str(n), str(t)) for n, t in frame.dtypes.items()]).encode())
    found.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return found.hexdigest()


def optimizer_versions() -> str:
    """What made the candidates."""
    return ", ".join(f"{name} {_version(name)}" for name in ("onnx", "onnxruntime"))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
