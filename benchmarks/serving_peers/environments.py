"""A virtual environment for each server, kept between runs, with compiled bytecode.

numpy and ONNX Runtime are of the serving image's versions in all of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_HERE = Path(__file__).parent
_LOCK = ROOT / "requirements-serving.lock"
_TIMEOUT_S = 1200
# What is installed, and which files of this folder the server needs.
REQUIREMENTS = {
    "floor": ["orjson"],
    "seatrial": [],
    "MLServer": ["mlserver==1.7.1"],
    "BentoML": ["bentoml==1.4.40"],
    # The toolkit imports pkg_resources, which later setuptools have no more.
    "sagemaker-inference": [
        "sagemaker-inference==1.10.1",
        "multi-model-server==1.1.11",
        "setuptools==80.9.0",
    ],
}
MODULES = {
    "floor": ["floor.py"],
    "seatrial": ["record_cost.py"],
    "MLServer": ["mlserver_runtime.py"],
    "BentoML": ["bentoml_service.py"],
    "sagemaker-inference": ["sagemaker_model.py", "sagemaker_start.py"],
}


class CannotInstallError(Exception):
    """A server's environment cannot be made here."""


def make_environment(name: str, folder: Path, serving: Path) -> Path:
    """The interpreter of the environment of that name, made if it is not there.

    `serving`: the folder of the package seatrial.serving, copied afresh, as into the image.
    """
    place = folder / name
    python = place / "bin" / "python"
    wanted = "\n".join([sys.version, *_requirements(name)])
    done = place / "installed.txt"
    if not done.exists() or done.read_text() != wanted:
        shutil.rmtree(place, ignore_errors=True)
        _install(name, place, python)
        done.write_text(wanted)
    _copy_modules(name, place, serving)
    _run([str(python), "-m", "compileall", "-q", str(place / "lib")], may_fail=True)
    return python


def compiled(python: Path) -> tuple[int, int]:
    """How many modules of the environment have bytecode, and how many there are."""
    library = python.parents[1] / "lib"
    return len(list(library.rglob("*.pyc"))), len(list(library.rglob("*.py")))


def _requirements(name: str) -> list[str]:
    """A name alone is of the version that the serving image has."""
    lock = _LOCK.read_text()
    if name == "seatrial":
        return [lock]
    locked = re.findall(r"^([\w-]+)(==[^\\\n]+)", lock, re.MULTILINE)
    wanted = ("numpy", "onnxruntime", *REQUIREMENTS[name])
    return [f"{name}{version}" for name, version in locked if name in wanted] + [
        requirement for requirement in wanted if "==" in requirement
    ]


def _install(name: str, place: Path, python: Path) -> None:
    _run([sys.executable, "-m", "venv", "--without-pip", str(place)])
    wanted = (
        ["--no-deps", "--require-hashes", "-r", str(_LOCK)]
        if name == "seatrial"
        else _requirements(name)
    )
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv:
        _run([uv, "pip", "install", "--quiet", "--python", str(python), *wanted])
    else:
        _run([sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", *wanted])


def _copy_modules(name: str, place: Path, serving: Path) -> None:
    library = next((place / "lib").glob("python3*")) / "site-packages"
    for module in MODULES[name]:
        shutil.copy(_HERE / module, library)
    if name == "seatrial":
        package = library / "seatrial"
        shutil.rmtree(package, ignore_errors=True)
        shutil.copytree(serving, package / "serving", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "src" / "seatrial" / "__init__.py", package)


def _run(command: list[str], *, may_fail: bool = False) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstallError(str(error)) from error
    # compileall fails over files of packages that are meant for another Python
    if done.returncode and not may_fail:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise CannotInstallError(f"{' '.join(command[:5])} … exited {done.returncode}: {said}")
