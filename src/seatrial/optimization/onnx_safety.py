"""Look an ONNX file over before anything runs it.

Read without external data, so that no path in the file is followed before it has been checked. What
a graph allocates while it runs (ConstantOfShape, Expand, Tile) cannot be told from the file; the
child's memory limit is for that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from seatrial.contracts import MB
from seatrial.errors import InputError

# What ONNX Runtime's CPU provider has operators for.
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
# Of com.microsoft: names a file with compiled code of another provider.
REFUSED_OPERATORS = frozenset({"EPContext"})
MAX_FILE_MB = 2048  # protobuf's own limit
MAX_EXTERNAL_MB = 16_384
MAX_ELEMENTS = 2**32
MAX_NODES = 1_000_000
MAX_DEPTH = 30


def check_onnx(path: Path) -> Any:
    """The model's protobuf without its external data; InputError if it is not to be run."""
    import onnx
    from google.protobuf.message import DecodeError

    _require_plain_file(path, path.parent, MAX_FILE_MB)
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise _refused(path, f"not an ONNX file ({error})", "a whole ONNX file") from error
    except ValueError as error:
        raise _refused(path, str(error), "a whole ONNX file") from error
    local = {(item.domain, item.name) for item in model.functions}
    _check_nodes(path, model, local)
    for tensor in _tensors(model):
        _check_tensor(path, tensor)
    for value in _declared_values(model):
        _check_shape(path, value)
    try:
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:300]
        raise _refused(path, reason, "a model that onnx.checker passes") from error
    return model


def external_files(model: Any) -> tuple[str, ...]:
    """The files beside the model that hold its tensors, of a model that passed `check_onnx`."""
    found = (_external(tensor).get("location") for tensor in _tensors(model))
    return tuple(sorted({name for name in found if name is not None}))


def _graphs(model: Any) -> Iterator[tuple[Any, int]]:
    """Every graph and function with how deep it is nested."""
    waiting = [(model.graph, 0), *((function, 0) for function in model.functions)]
    while waiting:
        graph, depth = waiting.pop()
        yield graph, depth
        for node in graph.node:
            for attribute in node.attribute:
                inner = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
                waiting += [(item, depth + 1) for item in inner]


def _check_nodes(path: Path, model: Any, local: set[tuple[str, str]]) -> None:
    count = 0
    for graph, depth in _graphs(model):
        count += len(graph.node)
        if depth > MAX_DEPTH:
            raise _refused(path, f"graphs {depth} deep", f"{MAX_DEPTH}")
        if count > MAX_NODES:
            raise _refused(path, f"more than {MAX_NODES} nodes", f"{MAX_NODES}")
        for node in graph.node:
            known = node.domain in DOMAINS and node.op_type not in REFUSED_OPERATORS
            if not known and (node.domain, node.op_type) not in local:
                raise _refused(
                    path,
                    f"the operator {node.domain}::{node.op_type}",
                    f"operators of {', '.join(sorted(item or 'ai.onnx' for item in DOMAINS))}",
                )


def _tensors(model: Any) -> Iterator[Any]:
    for graph, _ in _graphs(model):
        if hasattr(graph, "initializer"):
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                yield from attribute.tensors
                if attribute.HasField("t"):
                    yield attribute.t
                sparses = [*attribute.sparse_tensors]
                if attribute.HasField("sparse_tensor"):
                    sparses.append(attribute.sparse_tensor)
                for sparse in sparses:
                    yield from (sparse.values, sparse.indices)


def _external(tensor: Any) -> dict[str, str]:
    from onnx import TensorProto

    if tensor.data_location != TensorProto.EXTERNAL:
        return {}
    return {entry.key: entry.value for entry in tensor.external_data}


def _check_tensor(path: Path, tensor: Any) -> None:
    """What a tensor says of its size must be what it brings."""
    from onnx import TensorProto

    where = f"the tensor {tensor.name!r}"
    if any(size < 0 for size in tensor.dims):
        raise _refused(path, f"{where} of shape {list(tensor.dims)}", "sizes of 0 and more")
    elements = math.prod(tensor.dims)
    if elements > MAX_ELEMENTS:
        raise _refused(path, f"{where} of {elements} elements", f"at most {MAX_ELEMENTS}")
    wanted = _byte_count(tensor.data_type, elements)
    if tensor.data_location == TensorProto.EXTERNAL:
        brought: int | None = _external_bytes(path, where, _external(tensor), wanted)
    elif tensor.HasField("raw_data"):
        brought = len(tensor.raw_data)
    else:
        brought = None if elements == 0 or _typed_values(tensor) else 0
    if wanted is not None and brought is not None and brought != wanted:
        raise _refused(path, f"{where} with {brought} bytes", f"{wanted} bytes, as it declares")


def _byte_count(data_type: int, elements: int) -> int | None:
    """None for types whose size the count does not tell: text, and packed 4-bit numbers."""
    from onnx import TensorProto, helper

    name = (
        TensorProto.DataType.Name(data_type) if data_type in TensorProto.DataType.values() else ""
    )
    if name in ("", "UNDEFINED", "STRING") or name.endswith(("INT4", "INT2", "4E2M1")):
        return None
    return elements * int(helper.tensor_dtype_to_np_dtype(data_type).itemsize)


def _typed_values(tensor: Any) -> bool:
    fields = ("float", "int32", "int64", "double", "uint64", "string")
    return any(len(getattr(tensor, f"{field}_data")) for field in fields)


def _external_bytes(path: Path, where: str, entry: dict[str, str], wanted: int | None) -> int:
    location = entry.get("location", "")
    parts = PurePosixPath(location).parts
    strange = not parts or ".." in parts or PurePosixPath(location).is_absolute()
    if strange or PureWindowsPath(location).anchor or "\\" in location or "\0" in location:
        raise _refused(
            path, f"{where} whose data is at {location!r}", "files in the model's own folder"
        )
    data = path.parent / location
    _require_plain_file(data, path.parent, MAX_EXTERNAL_MB)
    size = data.stat().st_size
    try:
        offset = int(entry.get("offset") or 0)
        length = int(entry["length"]) if entry.get("length") else size - offset
    except ValueError as error:
        raise _refused(path, f"{where} at {entry}", "whole numbers of bytes") from error
    if offset < 0 or length < 0 or offset + length > size:
        raise _refused(
            path, f"{where} at bytes {offset} to {offset + length}", f"the {size} of {location}"
        )
    return length if "length" in entry or wanted is None else min(length, wanted)


def _require_plain_file(path: Path, folder: Path, max_mb: int) -> None:
    """A link would lead out of the folder, a device would never end."""
    inside = [path, *(item for item in path.parents if folder in item.parents)]
    if any(item.is_symlink() for item in inside) or not path.is_file():
        raise _refused(path, "no plain file", "files, no links, in the model's own folder")
    size_mb = path.stat().st_size / MB
    if size_mb > max_mb:
        raise _refused(path, f"{size_mb:.0f} MB", f"{max_mb} MB")


def _declared_values(model: Any) -> Iterator[Any]:
    for graph, _ in _graphs(model):
        if hasattr(graph, "initializer"):
            yield from (*graph.input, *graph.output, *graph.value_info)


def _check_shape(path: Path, value: Any) -> None:
    sizes = [item.dim_value for item in value.type.tensor_type.shape.dim]
    if any(size < 0 for size in sizes) or math.prod(size or 1 for size in sizes) > MAX_ELEMENTS:
        raise _refused(path, f"{value.name!r} of shape {sizes}", f"at most {MAX_ELEMENTS} elements")


def _refused(path: Path, got: str, allowed: str) -> InputError:
    return InputError(
        f"{path.name} is not to be run",
        got=got,
        allowed=allowed,
        do="Export the model again, whole and with standard operators",
    )
