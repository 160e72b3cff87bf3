"""Every example in a docstring is true, wherever it is."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {"src/seatrial": "seatrial"} | {
    name: f"seatrial.{name}"
    for name in ("pipelines", "steps", "monitoring", "serving", "localcloud", "examples")
}
WITH_EXAMPLES = sorted(
    ".".join((package, *path.relative_to(ROOT / folder).with_suffix("").parts))
    for folder, package in FOLDERS.items()
    for path in (ROOT / folder).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert attempted
    assert not failed


def test_there_are_many() -> None:
    assert len(WITH_EXAMPLES) > 20
