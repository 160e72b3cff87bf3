"""The files of one job: where its declared paths are here, and their way from and to S3."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# A path that begins with /opt/ml, and not one that goes on after something like s3://bucket.
_DECLARED = re.compile(r"(?<![\w./-])/opt/ml(?=/|$|[^\w.-])")


class InputMissing(Exception):  # noqa: N818 - says what is wrong
    """There is no object under the S3 URI of an input."""


def rewritten(text: str, root: Path) -> str:
    """`text` with every path under /opt/ml below `root`, wherever in the text it stands.

    >>> rewritten("--out=/opt/ml/processing/out s3://b/opt/ml/x", Path("/box"))
    '--out=/box/opt/ml/processing/out s3://b/opt/ml/x'
    """
    return _DECLARED.sub(lambda match: f"{root}{match.group()}", text)


class JobBox:
    """A folder that stands for the root of a job's container; jobs side by side share none."""

    def __init__(self, root: Path, s3: Any) -> None:
        self._root, self._s3 = root, s3

    def prepare(self, request: dict[str, Any]) -> None:
        """Make the folders and fetch the inputs; InputMissing if one has no object."""
        self.temporary.mkdir(parents=True)
        for item in request.get("ProcessingInputs") or []:
            self._fetch(item["S3Input"]["S3Uri"], self._local(item["S3Input"]["LocalPath"]))
        for target in _outputs(request):
            self._local(target["LocalPath"]).mkdir(parents=True, exist_ok=True)

    def command(self, request: dict[str, Any]) -> list[str]:
        """The entrypoint and its arguments, with paths here."""
        application = request["AppSpecification"]
        texts = [
            *application["ContainerEntrypoint"],
            *(application.get("ContainerArguments") or []),
        ]
        return [rewritten(text, self._root) for text in texts]

    def environment(self, request: dict[str, Any]) -> dict[str, str]:
        """The job's own variables, with paths here, and a folder for its temporary files."""
        given = request.get("Environment") or {}
        variables = {name: rewritten(value, self._root) for name, value in given.items()}
        return {**variables, "TMPDIR": str(self.temporary)}

    @property
    def root(self) -> Path:
        """The folder that stands for `/`."""
        return self._root

    @property
    def temporary(self) -> Path:
        """The folder for temporary files."""
        return self._root / "tmp"

    def upload(self, request: dict[str, Any]) -> None:
        """Put what the job has written to its outputs into S3."""
        for target in _outputs(request):
            folder = self._local(target["LocalPath"])
            bucket, prefix = _split(target["S3Uri"])
            for path in sorted(item for item in folder.rglob("*") if item.is_file()):
                name = path.relative_to(folder).as_posix()
                key = f"{prefix.rstrip('/')}/{name}".lstrip("/")
                with path.open("rb") as body:
                    self._s3.put_object(Bucket=bucket, Key=key, Body=body)

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _local(self, declared: str) -> Path:
        return self._root / declared.lstrip("/")

    def _fetch(self, uri: str, folder: Path) -> None:
        bucket, prefix = _split(uri)
        folder.mkdir(parents=True, exist_ok=True)
        found = False
        for key, name in _names(self._keys(bucket, prefix), prefix):
            found = True
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"]
            with body, path.open("wb") as file:
                shutil.copyfileobj(body, file)
        if not found:
            raise InputMissing(f"there is no object under {uri}")

    def _keys(self, bucket: str, prefix: str) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            for item in page.get("Contents", []):
                yield item["Key"]


def _names(keys: Iterator[str], prefix: str) -> Iterator[tuple[str, str]]:
    """Keys to fetch, and the name of each below the input's LocalPath.

    The object whose key is the prefix keeps its last part; those below it keep the rest of the key.
    Keys that only begin alike (`data` and `data-2/x`) are left out, and so are folder markers.
    """
    base = prefix.rstrip("/") + "/" if prefix else ""
    for key in keys:
        if key.endswith("/"):
            continue
        if key == prefix:
            yield key, key.rsplit("/", 1)[-1]
        elif key.startswith(base):
            yield key, key[len(base) :]


def _outputs(request: dict[str, Any]) -> list[dict[str, Any]]:
    outputs = (request.get("ProcessingOutputConfig") or {}).get("Outputs", [])
    return [item["S3Output"] for item in outputs]


def _split(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")
