"""The endpoint's image without building it: what it copies stands alone; how it is weighed."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "serving.Dockerfile").read_text(encoding="utf-8")
CODE = "/opt/seatrial/code/"

# Imports every module of the tree, from it and from the lock file's packages alone.
IMPORT_ALL = """
import json, pkgutil, sys
tree, site, allowed = sys.argv[1], sys.argv[2], set(json.loads(sys.argv[3]))

class OnlyAllowed:
    @staticmethod
    def find_spec(name, path=None, target=None):
        root = name.partition(".")[0]
        if root not in allowed and root not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)

sys.meta_path.insert(0, OnlyAllowed)
sys.path[:0] = [tree, site]
import seatrial.serving
for module in pkgutil.walk_packages(seatrial.serving.__path__, "seatrial.serving."):
    __import__(module.name)
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def build_image() -> ModuleType:
    """docker/build_image.py, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("build_image", ROOT / "docker/build_image.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _copies() -> list[tuple[str, str]]:
    return re.findall(rf"^COPY (\S+) {CODE}(\S+)$", DOCKERFILE, flags=re.MULTILINE)


def _locked_modules() -> set[str]:
    lock = (ROOT / "requirements-serving.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, flags=re.MULTILINE))
    return {
        module
        for module, owners in packages_distributions().items()
        if locked & {owner.lower().replace("_", "-") for owner in owners}
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The folder that the Dockerfile's `code` stage makes."""
    for source, target in _copies():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / target)
        else:
            (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, tmp_path / target)
    return tmp_path


def test_what_the_image_copies_can_be_imported_alone(tree: Path) -> None:
    import numpy

    site = str(Path(numpy.__file__).parents[1])
    allowed = json.dumps(sorted({"seatrial", *_locked_modules()}))
    # without site, nothing but `tree` and the packages is on the path
    command = [sys.executable, "-I", "-S", "-c", IMPORT_ALL, str(tree), site, allowed]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert {"seatrial.serving.__main__", "numpy", "httptools", "orjson"} <= loaded
    assert not loaded & {"boto3", "pandas", "pydantic", "yaml", "seatrial.errors"}


def test_the_build_context_holds_what_the_image_copies() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    sources = {source for source, _ in _copies()}
    assert sources == {"src/seatrial/__init__.py", "serving"}
    assert kept == sources | {"docker/serve", "requirements-serving.lock", "build/image/pip"}


def _saved_image(path: Path, layers: list[int], pack: Callable[[bytes], bytes]) -> Path:
    """An image as `docker save` writes it, with one file of so many bytes in each layer."""
    with tarfile.open(path, "w") as image:
        names = []
        for number, size in enumerate(layers):
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w") as layer:
                _add(layer, "file", b"x" * size)
            names.append(f"{number}/layer.tar")
            _add(image, names[-1], pack(packed.getvalue()))
        _add(image, "manifest.json", json.dumps([{"Layers": names}]).encode())
    return path


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "compressed"])
def test_an_image_is_weighed_by_its_files(
    build_image: Any, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    archive = _saved_image(tmp_path / "image.tar", [3 * 2**20, 100, 2**20], pack)
    weight = build_image.weigh(archive, own=2)
    assert weight.layers == (3 * 2**20, 100, 2**20)
    assert str(weight) == "4.0 MB, 1.0 MB of it ours (0.0 + 1.0)"


@pytest.mark.parametrize(
    ("base_mb", "own_mb", "complaint"),
    [
        pytest.param(300, 199.9, None, id="both under"),
        pytest.param(299, 200, "our part of the image is too large: 200.0 MB", id="ours at"),
        pytest.param(300.1, 199.9, "the image is too large: 500.0 MB", id="total at"),
        pytest.param(500, 10, "the image is too large: 510.0 MB", id="total over"),
    ],
)
def test_a_heavy_image_is_refused(
    build_image: Any, base_mb: float, own_mb: float, complaint: str | None
) -> None:
    weight = build_image.Weight((round(base_mb * 2**20), round(own_mb * 2**20)), own=1)
    said = weight.complaint()
    assert said is None if complaint is None else said.startswith(complaint)


def test_our_layers_are_those_of_the_last_stage(build_image: Any) -> None:
    assert build_image.own_layers("FROM a AS b\nRUN x\nFROM a\nRUN y\nENV z=1\nCOPY b c\n") == 2
    assert build_image.own_layers(DOCKERFILE) == 3


def test_builds_can_be_repeated_to_the_byte(build_image: Any) -> None:
    docker, podman, buildah = build_image.BUILDERS
    for builder, expected in ((docker, False), (podman, True), (buildah, True)):
        command = build_image.build_command(builder, "b", "t", [], {"SOURCE_DATE_EPOCH": "7"})
        assert ("--timestamp=7" in command) is expected
    assert "--build-arg=BASE=b" in build_image.build_command(docker, "b", "t", ["--pull"], {})


def test_no_builder_is_an_error_that_names_them(
    build_image: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="tried docker, podman, buildah"):
        build_image.choose(None)
