"""What Neo compiles, from configs/neo.yaml: a job takes minutes to say what is known before."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from importlib.resources import files

import yaml

from seatrial.contracts import Contract, Part
from seatrial.errors import InputError
from seatrial.limits import Limit
from seatrial.optimization.neo_settings import NeoFramework


class FrameworkSupport(Part):
    """One row of Neo's table of CPU frameworks."""

    api_name: str
    versions: tuple[str, ...]
    earlier_too: bool
    sends_version: bool
    needs_shapes: bool
    shapes_optional_from: str | None = None


class NeoSupport(Contract):
    """The table, where it was read and when."""

    source: str
    date: date
    frameworks: dict[NeoFramework, FrameworkSupport]
    onnx_max_opset: Limit


@cache
def load_neo_support() -> NeoSupport:
    """The table that comes with the package."""
    text = (files("seatrial.configs") / "neo.yaml").read_text(encoding="utf-8")
    return NeoSupport.model_validate(yaml.safe_load(text))


def check_version(framework: NeoFramework, version: str, support: NeoSupport) -> str:
    """The version as Neo lists it, `2.9` for `2.9.1`; InputError if Neo does not compile it."""
    row = support.frameworks[framework]
    wanted = _numbers(version)
    for listed in row.versions:
        known = _numbers(listed)
        if wanted and wanted[: len(known)] == known:
            return listed
    if row.earlier_too and wanted and wanted < _numbers(row.versions[-1]):
        return version
    raise InputError(
        f"Neo does not compile {framework} models of this version",
        got=version,
        allowed=", ".join(row.versions)
        + (" or earlier" if row.earlier_too else "")
        + f" ({support.source}, read {support.date})",
        do="Save the model with one of them, or leave optimization.neo out",
    )


def check_opset(opset: int, support: NeoSupport) -> None:
    """InputError if the graph's operator set is newer than the ONNX that Neo reads."""
    newest = int(support.onnx_max_opset.value)
    if opset > newest:
        raise InputError(
            "Neo reads ONNX 1.7.0 and older, and this graph is of a newer operator set",
            got=f"opset {opset}",
            allowed=f"opset {newest} at most ({support.onnx_max_opset.source})",
            do=f"Export the model with opset {newest}, and give that as optimization.neo.model_uri",
        )


def shapes_needed(framework: NeoFramework, version: str, support: NeoSupport) -> bool:
    """False if Neo finds the input shapes by itself."""
    row = support.frameworks[framework]
    optional = row.shapes_optional_from
    return row.needs_shapes and (optional is None or _numbers(version) < _numbers(optional))


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version without what follows them.

    >>> _numbers("1.13.1+cpu"), _numbers("latest")
    ((1, 13, 1), ())
    """
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
