"""Build the endpoint's image with docker, podman or buildah, and weigh it.

    python docker/build_image.py --base IMAGE --tag IMAGE [argument of the builder …]

Standard library only: it runs before anything is installed. Its Python must have pip, which it
lends to the build, since a base may have none. A MB is 2^20 bytes; sizes are of the unpacked files.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
DOCKERFILE = ROOT / "docker" / "serving.Dockerfile"
LENT = ROOT / "build" / "image"  # docker/serving.Dockerfile copies it

MB = 2**20
TOTAL_LIMIT_MB = 500
OWN_LIMIT_MB = 200
# SageMaker Serverless Inference has no other processors.
PLATFORM = "linux/amd64"


@dataclass(frozen=True)
class Builder:
    """How a program builds an image, and saves it as what `docker save` writes."""

    name: str
    build: tuple[str, ...]
    save: tuple[str, ...]  # with {tag} and {archive}

    @property
    def usable(self) -> bool:
        """Installed, and its daemon, if it needs one, answers."""
        return bool(shutil.which(self.name)) and not _run([self.name, "info"]).returncode


BUILDERS = (
    Builder("docker", ("build",), ("save", "--output", "{archive}", "{tag}")),
    Builder(
        "podman",
        ("build", "--layers", "--format", "docker"),
        ("save", "--format", "docker-archive", "--output", "{archive}", "{tag}"),
    ),
    # chroot isolation also works where no container may be started, in another one for example
    Builder(
        "buildah",
        ("bud", "--layers", "--format", "docker", "--isolation", "chroot"),
        ("push", "--quiet", "{tag}", "docker-archive:{archive}"),
    ),
)


@dataclass(frozen=True)
class Weight:
    """The bytes of an image's files, layer by layer; the last `own` layers are ours."""

    layers: tuple[int, ...]
    own: int

    @property
    def total_mb(self) -> float:
        return sum(self.layers) / MB

    @property
    def own_mb(self) -> float:
        return sum(self.layers[-self.own :]) / MB

    def __str__(self) -> str:
        shares = " + ".join(f"{size / MB:.1f}" for size in self.layers[-self.own :])
        return f"{self.total_mb:.1f} MB, {self.own_mb:.1f} MB of it ours ({shares})"

    def complaint(self) -> str | None:
        """What is too heavy and what to do; None if nothing is."""
        for name, size, limit, remedy in (
            ("the image", self.total_mb, TOTAL_LIMIT_MB, "Choose a smaller base"),
            ("our part of the image", self.own_mb, OWN_LIMIT_MB, "See what a package brought"),
        ):
            if size >= limit:
                return f"{name} is too large: {size:.1f} MB; allowed: under {limit} MB. {remedy}."
        return None


def own_layers(dockerfile: str) -> int:
    """How many layers the last stage of a Dockerfile adds to its base."""
    last_stage = re.split(r"^FROM ", dockerfile, flags=re.MULTILINE)[-1]
    return len(re.findall(r"^(?:RUN|COPY|ADD|WORKDIR) ", last_stage, flags=re.MULTILINE))


def weigh(archive: Path, own: int) -> Weight:
    """Weigh an image as `docker save` writes it."""
    with tarfile.open(archive) as image:
        names = json.loads(_member(image, "manifest.json").read())[0]["Layers"]
        return Weight(tuple(_file_bytes(image, name) for name in names), own)


def _member(image: tarfile.TarFile, name: str) -> IO[bytes]:
    content = image.extractfile(name)
    if content is None:
        raise tarfile.ReadError(f"{name} is not a file")
    return content


def _file_bytes(image: tarfile.TarFile, name: str) -> int:
    # newer versions of docker save layers compressed
    with tarfile.open(fileobj=_member(image, name), mode="r|*") as layer:
        return sum(member.size for member in layer)


def build_command(
    builder: Builder, base: str, tag: str, extra: Sequence[str], environment: Mapping[str, str]
) -> list[str]:
    """The builder's command line; SOURCE_DATE_EPOCH makes its layers the same every time."""
    # docker reads that variable itself
    epoch = environment.get("SOURCE_DATE_EPOCH") if builder.name != "docker" else None
    return [
        builder.name,
        *builder.build,
        f"--platform={PLATFORM}",
        f"--file={DOCKERFILE}",
        f"--build-arg=BASE={base}",
        f"--tag={tag}",
        *([f"--timestamp={epoch}"] if epoch else []),
        *extra,
        str(ROOT),
    ]


def lend_pip(folder: Path = LENT) -> None:
    """Put this Python's pip where the Dockerfile finds it, in place of what is there."""
    found = importlib.util.find_spec("pip")
    if found is None or found.origin is None:
        sys.exit(f"{sys.executable} has no pip to lend to the build. Run make setup.")
    shutil.rmtree(folder / "pip", ignore_errors=True)
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(found.origin).parent, folder / "pip", ignore=unwanted)


def choose(name: str | None) -> Builder:
    """The first builder that works here, or the one of that name."""
    for builder in BUILDERS:
        if (name is None or builder.name == name) and builder.usable:
            return builder
    names = name or ", ".join(builder.name for builder in BUILDERS)
    return sys.exit(
        f"nothing here can build an image: tried {names}. Install or start one of them."
    )


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _build_and_weigh(builder: Builder, tag: str, command: Sequence[str]) -> Weight:
    # buildx would add an attestation, and so an index, which not every service can pull
    environment = {**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    if code := subprocess.run(command, env=environment, check=False).returncode:
        sys.exit(f"{builder.name} could not build the image: exit {code}; what it says is above.")
    with tempfile.TemporaryDirectory(dir=LENT.parent) as folder:
        archive = Path(folder) / "image.tar"
        save = [part.format(tag=tag, archive=archive) for part in builder.save]
        if (saved := _run([builder.name, *save])).returncode:
            sys.exit(f"{builder.name} could not save {tag}: {saved.stderr.strip()}")
        return weigh(archive, own_layers(DOCKERFILE.read_text(encoding="utf-8")))


def main(arguments: Sequence[str] | None = None) -> None:
    """Build, weigh, and fail if it is too heavy."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--base", required=True, help="image with python3 3.11 to 3.13 on glibc")
    parser.add_argument("--tag", required=True, help="what the image is called")
    parser.add_argument("--builder", choices=[builder.name for builder in BUILDERS])
    options, extra = parser.parse_known_args(arguments)
    builder = choose(options.builder)
    lend_pip()
    command = build_command(builder, options.base, options.tag, extra, os.environ)
    weight = _build_and_weigh(builder, options.tag, command)
    sys.stdout.write(f"{options.tag}: {weight}\n")
    if complaint := weight.complaint():
        sys.exit(complaint)


if __name__ == "__main__":
    main()
