"""The machine: Python, libraries, the serving environment, cages for processes, programs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from seatrial.doctor.finding import Finding
from seatrial.errors import InputError
from seatrial.optimization.serving_python import find_serving_python

PYTHONS = ((3, 11), (3, 13))
CHILD_TIMEOUT_S = 60

# Distribution by distribution: the extra that brings it, and what needs it.
LIBRARIES: Mapping[str, tuple[str, str]] = {
    "mlflow": ("optimize", "models from MLflow cannot be read: optimize"),
    "onnx": ("optimize", "no candidate can be made: optimize"),
    "skops": ("optimize", "scikit-learn models cannot be read without pickle"),
    "evidently": ("monitor", "no drift report: baseline, monitor"),
    "great-expectations": ("monitor", "data quality is not checked: baseline, monitor"),
    "numba": ("cost", "traffic is not simulated: cost"),
    "locust": ("loadtest", "no load: loadtest"),
    "sagemaker": ("pipelines", "pipelines are not defined: pipeline"),
    "moto": ("local", "no localcloud: cloud up, demo"),
}
# In a process of its own, since a filter cannot be taken off again.
CONFINE = """
import json, pathlib, sys
from seatrial.optimization.landlock import restrict_writes
from seatrial.optimization.seccomp import install_filter, prctl
prctl(38, 1)
found = {"landlock": restrict_writes(pathlib.Path(sys.argv[1])), "seccomp": install_filter()}
print(json.dumps(found))
"""
# As the server does it: ONNX Runtime's library is loaded, without its Python module.
SERVE = """
import seatrial.serving.model
from seatrial.serving.ort_library import find_library, runtime
runtime()
print(find_library().rpartition(".so.")[2])
"""

Which = Callable[[str], str | None]


def look_at_machine(environ: Mapping[str, str], which: Which = shutil.which) -> Iterator[Finding]:
    """Everything that needs no AWS."""
    yield python_version(sys.version_info[:2])
    yield from libraries()
    yield serving_environment(environ)
    yield bytecode(environ)
    yield from cages()
    yield image_builder(which)
    yield browser(which)
    yield java(which)


def python_version(seen: tuple[int, ...]) -> Finding:
    """Within what the lock file was resolved for."""
    oldest, newest = PYTHONS
    fits = oldest <= seen[:2] <= newest
    return Finding(
        "Python",
        "works" if fits else "missing",
        ".".join(map(str, seen)),
        "" if fits else "use Python 3.11 to 3.13",
    )


def libraries() -> Iterator[Finding]:
    """The extras' libraries, by their metadata; importing them would take seconds."""
    for name, (extra, fails) in LIBRARIES.items():
        try:
            yield Finding(name, "works", version(name))
        except PackageNotFoundError:
            yield Finding(
                name, "missing", "not installed", f"{fails}; pip install 'seatrial[{extra}]'"
            )


def serving_environment(environ: Mapping[str, str]) -> Finding:
    """The interpreter that candidates are measured with, and whether it can serve."""
    name = "serving environment"
    try:
        python = find_serving_python(environ)
    except InputError as error:
        return Finding(name, "missing", error.what, error.do)
    ended = _python(str(python), SERVE)
    if ended is None or ended.returncode:
        why = "no answer" if ended is None else ended.stderr.strip().splitlines()[-1:]
        return Finding(name, "missing", f"{python}: {why}", "run make setup: optimize, profile")
    seen = f"{python}, ONNX Runtime {ended.stdout.strip()}"
    if Path(python) == Path(sys.executable):
        return Finding(
            name,
            "limited",
            seen,
            "cold starts and memory are measured in this environment, which is larger than the "
            "endpoint's; make setup makes one like it",
        )
    return Finding(name, "works", seen)


def bytecode(environ: Mapping[str, str]) -> Finding:
    """Without cached bytecode every fresh process compiles its modules again."""
    if environ.get("PYTHONDONTWRITEBYTECODE"):
        return Finding(
            "bytecode",
            "limited",
            "PYTHONDONTWRITEBYTECODE is set",
            "what is not compiled already is compiled at each start; cold starts look longer",
        )
    return Finding("bytecode", "works", "is cached")


def cages() -> Iterator[Finding]:
    """What holds untrusted models (seccomp, Landlock) and sandboxes over their memory (cgroups)."""
    from seatrial.localcloud.cgroup_search import (
        cgroup_record,
        cpu_text,
        find_cgroups,
        memory_text,
        remove_recorded,
    )

    with tempfile.TemporaryDirectory() as scratch:
        ended = _python(sys.executable, CONFINE, scratch)
        told = {} if ended is None or ended.returncode else json.loads(ended.stdout)
        yield Finding(
            "seccomp",
            "works" if told.get("seccomp") else "missing",
            "filter installed" if told.get("seccomp") else "no filter can be installed",
            "" if told.get("seccomp") else "PyTorch modules and trusted pickles are refused",
        )
        yield Finding(
            "Landlock",
            "works" if told.get("landlock") else "limited",
            "writes are kept in one folder" if told.get("landlock") else "not in this kernel",
            "" if told.get("landlock") else "a model file's code could write where you can",
        )
        record = cgroup_record(Path(scratch))
        try:
            found = find_cgroups(record)
            yield Finding(
                "memory cap", "works" if found.memory else "limited", "", memory_text(found)
            )
            yield Finding(
                "CPU share",
                "works" if found.cpu else "limited",
                "",
                cpu_text(found, wanted=True),
            )
        finally:
            remove_recorded(record)


def image_builder(which: Which) -> Finding:
    """What `make image` builds with; a docker client may be there without an engine."""
    there = [path for name in ("docker", "podman", "buildah") if (path := which(name))]
    found = [Path(path).name for path in there if _answers(path)]
    if not found:
        seen = ", ".join(f"{Path(path).name} does not answer" for path in there)
        return Finding(
            "image builder",
            "limited",
            seen or "no docker, podman or buildah",
            "make image fails; the rest works without",
        )
    return Finding("image builder", "works", ", ".join(found))


def browser(which: Which) -> Finding:
    """The tests open the reports in it."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((name for name in names if which(name)), None)
    if found is None:
        return Finding("browser", "limited", "no chromium", "tests of the reports are skipped")
    return Finding("browser", "works", found)


def java(which: Which) -> Finding:
    """One peer in the benchmarks is a Java server."""
    if which("java") is None:
        return Finding("Java", "limited", "no java", "benchmarks leave out multi-model-server")
    return Finding("Java", "works", "java")


def _answers(builder: str) -> bool:
    ended = _run(builder, "info")
    return ended is not None and ended.returncode == 0


def _python(python: str, code: str, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    return _run(python, "-c", code, *arguments)


def _run(*command: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=CHILD_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
