"""`seatrial doctor` tells what is there and what is not, and what that means."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from seatrial.config import load_config
from seatrial.doctor import machine
from seatrial.doctor.account import quotas
from seatrial.doctor.finding import Finding


@pytest.mark.parametrize(
    ("seen", "condition"),
    [
        pytest.param((3, 10), "missing", id="under"),
        pytest.param((3, 11), "works", id="oldest"),
        pytest.param((3, 13), "works", id="newest"),
        pytest.param((3, 14), "missing", id="over"),
    ],
)
def test_pythons_that_the_lock_file_is_for(seen: tuple[int, int], condition: str) -> None:
    assert machine.python_version(seen).condition == condition


def test_a_library_that_is_not_there_is_told_with_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = {"no-such-library": ("monitor", "nothing is watched")}
    monkeypatch.setattr(machine, "LIBRARIES", gone)
    (found,) = machine.libraries()
    assert found.condition == "missing"
    assert "nothing is watched; pip install 'seatrial[monitor]'" in found.means


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "condition", "told"),
    [
        pytest.param("echo 1.32.0", "works", "ONNX Runtime 1.32.0", id="serves"),
        pytest.param("echo no onnxruntime >&2; exit 1", "missing", "no onnxruntime", id="cannot"),
    ],
)
def test_the_serving_interpreter_is_really_asked(
    text: str, condition: str, told: str, tmp_path: Path
) -> None:
    python = program(tmp_path / "python", text)
    found = machine.serving_environment({"SEATRIAL_SERVING_PYTHON": str(python)})
    assert found.condition == condition
    assert told in found.seen


def test_this_environment_instead_of_the_endpoints_is_limited() -> None:
    found = machine.serving_environment({"SEATRIAL_SERVING_PYTHON": sys.executable})
    assert found.condition == "limited"


def test_a_serving_interpreter_that_is_not_there_is_missing() -> None:
    found = machine.serving_environment({"SEATRIAL_SERVING_PYTHON": "/nowhere/python"})
    assert (found.condition, "cannot be run" in found.seen) == ("missing", True)


def finding_of(which: Callable[[str], str | None]) -> list[Finding]:
    return [machine.image_builder(which), machine.browser(which), machine.java(which)]


def test_a_bare_machine_is_limited_and_not_broken() -> None:
    found = finding_of(lambda _: None)
    assert {item.condition for item in found} == {"limited"}
    assert all(item.means for item in found)


def test_a_docker_client_without_an_engine_builds_nothing(tmp_path: Path) -> None:
    paths = {
        "docker": str(program(tmp_path / "docker", "exit 1")),
        "buildah": str(program(tmp_path / "buildah", "exit 0")),
    }
    assert machine.image_builder(paths.get).seen == "buildah"
    del paths["buildah"]
    assert machine.image_builder(paths.get).seen == "docker does not answer"


def test_cages_are_tried_out_and_leave_nothing() -> None:
    found = {item.name: item for item in machine.cages()}
    assert set(found) == {"seccomp", "Landlock", "memory cap", "CPU share"}
    # this process must not have been put under a filter by looking
    assert "\nSeccomp:\t2\n" not in Path("/proc/self/status").read_text(encoding="ascii")


@pytest.mark.parametrize(("value", "condition"), [("1", "limited"), ("", "works")])
def test_bytecode_that_is_not_cached_is_told(value: str, condition: str) -> None:
    assert machine.bytecode({"PYTHONDONTWRITEBYTECODE": value}).condition == condition


class Quotas:
    """Service Quotas, or a refusal."""

    def __init__(self, value: float | None) -> None:
        self._value = value

    def get_service_quota(self, **_: Any) -> dict[str, Any]:
        if self._value is None:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetServiceQuota")
        return {"Quota": {"Value": self._value}}


@pytest.mark.parametrize(
    ("value", "conditions"),
    [
        pytest.param(20.0, ["works", "works", "limited"], id="told"),
        pytest.param(None, ["limited", "limited", "limited"], id="not-told"),
    ],
)
def test_quotas_that_are_only_assumed_are_marked(
    value: float | None, conditions: list[str]
) -> None:
    found = list(quotas(load_config(), Quotas(value)))
    assert [item.condition for item in found] == conditions
    known = load_config(None, quotas={"memory_size_mb": 6144})
    assert list(quotas(known, Quotas(value)))[-1] == Finding("quota of memory", "works", "6144 MB")
