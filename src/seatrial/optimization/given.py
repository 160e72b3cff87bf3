"""The user's own candidates, pruned or distilled for example: measured and guarded as ours are."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from seatrial.config import Recipe
from seatrial.contracts import ModelSignature, Precision, read_contract, write_contract
from seatrial.errors import InputError, SeatrialError
from seatrial.optimization.building import PRECISIONS, Draft
from seatrial.optimization.onnx_safety import check_onnx, external_files

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
RESERVED: frozenset[Recipe | str] = frozenset(PRECISIONS) | {"neo"}


def parse_given(words: list[str]) -> dict[str, Path]:
    """`NAME=PATH` options by name; InputError for a name that cannot be used, or no path."""
    found: dict[str, Path] = {}
    for word in words:
        name, _, text = word.partition("=")
        path = Path(text)
        if not NAME.match(name) or name in RESERVED or name in found or not text:
            raise InputError(
                "a candidate of your own cannot be called that",
                got=word,
                allowed=f"NAME=PATH, each name once and none of {', '.join(sorted(RESERVED))}",
                do="Give it another name",
            )
        if not path.exists():
            raise InputError(
                f"there is no candidate {name}",
                got=text,
                allowed="an ONNX file, or a folder with model.onnx",
                do="Check the path",
            )
        found[name] = path
    return found


def draft(name: str, path: Path, original: Path, scratch: Path) -> Draft:
    """The candidate with its own signature, else with the original's, in a folder of its own."""
    folder = scratch / name
    folder.mkdir(parents=True)
    try:
        model = path if path.is_file() else _model_of(path)
        checked = check_onnx(model)
        signature = _signature(path, original)
        _copy(model, checked, folder)
        served = signature.model_copy(update={"model_file": model.name})
        write_contract(served, folder / "signature.json")
    except SeatrialError as error:
        return Draft(name, "user", "fp32", "as given", None, rejection=str(error))
    return Draft(name, "user", _precision(checked), "as given", folder, detail=path.name)


def _model_of(folder: Path) -> Path:
    if not (folder / "model.onnx").is_file():
        raise InputError(
            "the folder has no model",
            got=", ".join(sorted(item.name for item in folder.iterdir()))[:200] or "nothing",
            allowed="model.onnx, and signature.json where it is not the original's",
            do="Export the candidate as ONNX",
        )
    return folder / "model.onnx"


def _signature(path: Path, original: Path) -> ModelSignature:
    """Requests and answers must be the original's; tensors may be called otherwise."""
    ours = read_contract(ModelSignature, original)
    own = (path if path.is_dir() else path.parent) / "signature.json"
    if path.is_file() or not own.exists():
        return ours
    theirs = read_contract(ModelSignature, own)
    asked = [[(item.name, item.type) for item in part.inputs] for part in (ours, theirs)]
    answered = [[(item.name, item.type) for item in part.outputs] for part in (ours, theirs)]
    for part, (wanted, got) in (("inputs", asked), ("outputs", answered)):
        if wanted != got:
            raise InputError(
                f"the candidate's signature has other {part} than the original's",
                got=got,
                allowed=wanted,
                do="Export it with the same columns, in the same order",
            )
    return theirs


def _copy(model: Path, checked: Any, folder: Path) -> None:
    """The file, and the files beside it that hold its weights."""
    for name in (model.name, *external_files(checked)):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model.parent / name, target)


def _precision(model: Any) -> Precision:
    """By what its weights are stored in; it decides nothing, the guards are those of `user`."""
    from onnx import TensorProto

    kinds = {tensor.data_type for tensor in model.graph.initializer}
    if kinds & {TensorProto.INT8, TensorProto.UINT8}:
        return "int8"
    return "fp16" if TensorProto.FLOAT16 in kinds else "fp32"
