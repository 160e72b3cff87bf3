"""Does the monitor do its work? Windows whose answer is known, through the same decision.

The rows are held out of the reference by a seed that the package's ARN fixes, so nobody can pick
rows or columns that happen to pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import (
    Baseline,
    CategoricalSummary,
    DriftReport,
    ModelSignature,
    NumericSummary,
    SelfTest,
    Summary,
    read_contract,
)
from seatrial.errors import InputError
from seatrial.monitoring.columns import model_columns, read_columns
from seatrial.monitoring.distances import Metric, unit
from seatrial.monitoring.drift import decide
from seatrial.monitoring.drift_limits import Limit, limits
from seatrial.monitoring.joint_selftest import self_tests_together
from seatrial.monitoring.summary import missing_ratio, summarise
from seatrial.monitoring.text import read_texts

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

MOVED_COLUMNS = 2
# A shift by this many limits passes the limit even if the held-out rows stray the other way.
MARGIN = 3.0
NEW_CATEGORY = "seatrial self-test"
# Replacing a whole column is √(ln 2) = 0.83 in Jensen-Shannon distance; it must reach the limit.
REACHABLE = 0.8
Limits = Mapping[tuple[str, Metric], Limit]


def seed_from(text: str) -> int:
    """A seed that follows from `text`, a model package's ARN; 48 bits, so any JSON reader has it.

    >>> seed_from("arn:aws:sagemaker:us-east-1:123456789012:model-package/flights/1")
    56004007139719
    """
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])


@dataclass(frozen=True)
class HeldOut:
    """A baseline with the rows that its summary was made without."""

    baseline: Baseline
    reference: Summary
    rows: Mapping[str, Array]

    def __len__(self) -> int:
        return len(next(iter(self.rows.values()), ()))


def read_held_out(baseline_dir: Path) -> HeldOut:
    """What BuildBaseline held out, of the columns that are watched."""
    reference = read_contract(Summary, baseline_dir / "summary.json")
    signature = read_contract(ModelSignature, baseline_dir / "signature.json")
    known = (*model_columns(signature), *read_texts(baseline_dir).columns)
    columns = [item for item in known if item.name in reference.columns]
    return HeldOut(
        read_contract(Baseline, baseline_dir / "baseline.json"),
        reference,
        read_columns(baseline_dir / "held_out.parquet", columns),
    )


def self_tests(baseline_dir: Path, seed: int, *, min_rows: int) -> tuple[SelfTest, ...]:
    """For each window length: untouched held-out rows (no alert) and moved ones (an alert).

    If the domain classifier is on, it is tested in the same way.
    """
    held_out = read_held_out(baseline_dir)
    baseline, reference, rows = held_out.baseline, held_out.reference, held_out.rows
    tests: list[SelfTest] = []
    for window_h in sorted({item.window_h for item in baseline.bounds}):

        def judge(window: Mapping[str, Array], window_h: float = window_h) -> DriftReport:
            summary = summarise(window, like=reference)
            return decide(baseline, reference, summary, window_h=window_h, min_rows=min_rows)

        untouched = summarise(rows, like=reference)
        limited = limits(baseline, reference, rows=untouched.rows, window_h=window_h).by_signal
        chosen = choose_columns(untouched, limited, seed)
        tests += [
            _tested(f"untouched rows, {window_h:g} h", judge(rows), ()),
            _tested(
                f"moved rows, {window_h:g} h", judge(move(rows, reference, limited, chosen)), chosen
            ),
            *self_tests_together(baseline_dir, window_h, seed=seed),
        ]
    return tuple(tests)


def choose_columns(held_out: Summary, known: Limits, seed: int) -> tuple[str, ...]:
    """The columns to move: one of numbers if there is one, the others any that can pass."""
    numbers = [
        name
        for name, column in held_out.columns.items()
        if isinstance(column, NumericSummary) and missing_ratio(column) < 0.5
    ]
    categories = [
        name
        for name, column in held_out.columns.items()
        if isinstance(column, CategoricalSummary)
        and known[name, "jensen_shannon"].least < REACHABLE
    ]
    random = np.random.default_rng(seed)
    first = list(random.permutation(numbers)[:1])
    others = [name for name in [*numbers, *categories] if name not in first]
    chosen = [*first, *random.permutation(others)[: MOVED_COLUMNS - len(first)]]
    if not chosen:
        raise InputError(
            "the monitor cannot be tested",
            got="no column that can be moved past its bound",
            allowed="a column of numbers, or one of categories that recur",
            do="Check the reference data: every text column seems to hold unique values",
        )
    return tuple(str(name) for name in chosen)


def move(
    rows: Mapping[str, Array], reference: Summary, known: Limits, chosen: Sequence[str]
) -> dict[str, Array]:
    """The rows with the chosen columns shifted past their bound, or given a category of its own."""
    moved = dict(rows)
    for name in chosen:
        column = reference.columns[name]
        if isinstance(column, NumericSummary):
            shift = MARGIN * (known[name, "wasserstein_std"].least + 1) * unit(column)
            moved[name] = rows[name] + shift
        else:
            moved[name] = np.full(len(rows[name]), NEW_CATEGORY, dtype=object)
    return moved


def _tested(name: str, report: DriftReport, moved: tuple[str, ...]) -> SelfTest:
    return SelfTest(
        name=name,
        rows=report.rows,
        expected_alert=bool(moved),
        alert=report.status == "drift",
        moved_columns=moved,
        alerted_columns=report.drifted_columns,
    )
