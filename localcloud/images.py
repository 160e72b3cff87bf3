"""The image map: which interpreter here stands for a container image.

    images:
      123456789012.dkr.ecr.us-east-1.amazonaws.com/seatrial-serving:latest:
        interpreter: /path/to/.venv-serving/bin/python
        serve: [python3, -m, seatrial.serving]

A URI may be a pattern with * for any characters; one that is spelled out goes before it. The
interpreter's folder comes first in PATH, so `python3` in an entrypoint or in `serve` is it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from seatrial.contracts import Contract, Part, first_problem
from seatrial.errors import ConfigError
from seatrial.localcloud.api import OWNER_VARIABLE, AwsError


class Image(Part):
    """An interpreter that stands for an image; `serve` is what the argument `serve` starts."""

    interpreter: str
    serve: tuple[str, ...] = Field(min_length=1)

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """The environment of a process in this image: little of ours, and `extra`."""
        names = ("LANG", "TZ", OWNER_VARIABLE)
        kept = {name: os.environ[name] for name in names if name in os.environ}
        folder = str(Path(self.interpreter).parent)
        return {**kept, "PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", **extra}  # noqa: S108


class ImageMap(Contract):
    """Image URIs and what stands for them."""

    images: dict[str, Image]

    def find(self, uri: str) -> Image:
        """The image of that URI; AwsError if the map does not know it."""
        if uri in self.images:
            return self.images[uri]
        for pattern, image in self.images.items():
            if fnmatchcase(uri, pattern):
                return image
        raise AwsError(
            "ValidationException",
            f"localcloud: the image map does not know {uri!r}; it knows "
            f"{', '.join(sorted(self.images)) or 'none'}. Add it to the file given as --images",
        )


def read_image_map(path: Path) -> ImageMap:
    """Read the YAML image map at `path`; ConfigError if it is not one or an interpreter is gone."""
    try:
        image_map = ImageMap.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise ConfigError(
            f"cannot use the image map {path}",
            got=problem,
            allowed="images: {URI: {interpreter: PATH, serve: [ARGUMENT, …]}}",
            do="Correct the file",
        ) from error
    for uri, image in image_map.images.items():
        if not os.access(image.interpreter, os.X_OK):
            raise ConfigError(
                f"the image map {path} names an interpreter that cannot be run for {uri}",
                got=image.interpreter,
                allowed="an executable Python",
                do="Run make setup, or correct the path",
            )
    return image_map


def default_image_map(toolbox_uri: str, serving_uri: str, serving_python: str | None) -> ImageMap:
    """This interpreter for the toolbox; `serving_python`, else this one too, for serving.

    They stand for the images that every project has by default, too.
    """
    serve = ("python3", "-m", "seatrial.serving")
    toolbox = Image(interpreter=sys.executable, serve=serve)
    serving = Image(interpreter=serving_python or sys.executable, serve=serve)
    registry = "*.dkr.ecr.*.amazonaws.com"
    return ImageMap(
        images={
            toolbox_uri: toolbox,
            serving_uri: serving,
            f"{registry}/*-toolbox:latest": toolbox,
            f"{registry}/*-serving:latest": serving,
        }
    )


def write_image_map(image_map: ImageMap, path: Path) -> Path:
    """Write the map as YAML, and return `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(image_map.model_dump(mode="json")), encoding="utf-8")
    return path


def serving_python() -> str | None:
    """The serving environment that `make setup` puts beside this one; None without it."""
    beside = Path(sys.prefix).with_name(f"{Path(sys.prefix).name}-serving") / "bin" / "python"
    return str(beside) if beside.exists() else None
