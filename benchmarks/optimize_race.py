"""Entrants measured side by side: each repeat starts every one of them once, in a fresh process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.localcloud.images import serving_python

CHILD = Path(__file__).with_name("optimize_child.py")
TIMEOUT_S = 300

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Entrant:
    """A library of optimize_child.py, and the folder with its model."""

    library: str
    model: Path

    @property
    def python(self) -> str:
        """Ours runs where it serves; the others have the libraries of this environment."""
        return str(serving_python() or sys.executable) if self.library == "ours" else sys.executable


@dataclass(frozen=True)
class Figures:
    """Medians over the repeats; `many_ms` is a call with all rows."""

    cold_cpu_ms: float
    load_cpu_ms: float
    p50_ms: float
    cpu_ms: float
    many_ms: float
    many_cpu_ms: float
    peak_mb: float
    scores: Array

    def deviation(self, other: Figures) -> float:
        """The largest difference of two scores."""
        return float(np.abs(self.scores - other.scores).max())


def write_columns(columns: Mapping[str, Array], path: Path) -> Path:
    """What optimize_child.py reads: text as fixed-width Unicode, without pickle."""
    plain = {
        name: values.astype(str) if values.dtype == object else values
        for name, values in columns.items()
    }
    np.savez(path, names=np.array(list(plain)), **plain)
    return path


def race(
    entrants: Mapping[str, Entrant], columns: Path, *, calls: int, repeats: int
) -> dict[str, Figures]:
    """One run that warms the file cache and writes bytecode, then `repeats` that count."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in entrants}
    scores: dict[str, Array] = {}
    for repeat in range(repeats + 1):
        for name, entrant in entrants.items():
            run, scores[name] = _run(entrant, columns, calls if repeat else 1)
            if repeat:
                runs[name].append(run)
    return {name: _median(found, scores[name]) for name, found in runs.items()}


def _run(entrant: Entrant, columns: Path, calls: int) -> tuple[dict[str, Any], Array]:
    answer = columns.with_name("answer.npz")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    child = [entrant.python, str(CHILD), entrant.library, str(entrant.model)]
    ended = subprocess.run(
        [*child, str(columns), str(calls), str(answer)],
        env=environment,
        capture_output=True,
        check=False,
        timeout=TIMEOUT_S,
        text=True,
    )
    if ended.returncode:
        raise RuntimeError(f"{entrant.library}: {ended.stderr[-2000:]}")
    with np.load(answer, allow_pickle=False) as stored:
        return json.loads(ended.stdout.splitlines()[-1]), stored["score"]


def _median(runs: list[dict[str, Any]], scores: Array) -> Figures:
    def median(*path: str) -> float:
        values = []
        for run in runs:
            value: Any = run
            for key in path:
                value = value[key]
            values.append(value)
        return statistics.median(values)

    return Figures(
        cold_cpu_ms=median("cold_cpu_ms"),
        load_cpu_ms=median("load_cpu_ms"),
        p50_ms=median("one_row", "p50_ms"),
        cpu_ms=median("one_row", "cpu_ms"),
        many_ms=median("many_rows", "p50_ms"),
        many_cpu_ms=median("many_rows", "cpu_ms"),
        peak_mb=median("peak_mb"),
        scores=scores,
    )
