"""The model as files here, wherever it was: a folder, an ONNX file, an archive, or any in S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seatrial.archives import unpack
from seatrial.aws import S3
from seatrial.errors import InputError
from seatrial.limits import load_limits


def fetch_model(source: str, scratch: Path, *, s3: Any = None) -> Path:
    """The folder or the ONNX file; archives and downloads go below `scratch`.

    `s3` is a client, or None where the source is not in S3.
    """
    path = _download(source, scratch / "download", S3(s3)) if s3 is not None else Path(source)
    if path.is_dir() or (path.is_file() and path.suffix == ".onnx"):
        return path
    if path.is_file():
        return unpack(path, scratch / "model", max_mb=load_limits().disk_mb.value)
    raise InputError(
        "there is no model",
        got=source,
        allowed="an MLflow model directory, a .tar.gz of one, or an .onnx with signature.json",
        do="Check the path",
    )


def _download(uri: str, folder: Path, s3: S3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if uri.endswith((".tar.gz", ".tgz")):
        return s3.download(uri, folder / "model.tar.gz")
    if uri.endswith(".onnx"):
        name = uri.rsplit("/", 1)[-1]
        s3.download(f"{uri.removesuffix(name)}signature.json", folder / "signature.json")
        return s3.download(uri, folder / name)
    _require_inside(uri, s3.uris(uri.rstrip("/") + "/"))
    return s3.download_folder(uri, folder)


def _require_inside(prefix: str, uris: list[str]) -> None:
    """A key may hold `..`, which a path would follow."""
    strange = [uri for uri in uris if ".." in uri.split("/")]
    if strange or not uris:
        raise InputError(
            "there is no model",
            got=strange[0] if strange else f"nothing below {prefix}",
            allowed="keys below that prefix, without ..",
            do="Check the address",
        )
