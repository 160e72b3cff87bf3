"""Does the domain classifier do its work? Windows in which columns go together in another way.

The held-out rows keep every value of every column; only which values stand in one row is changed,
so no column by itself shows anything, and what the classifier says is about the columns together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import (
    Baseline,
    ClassifierBound,
    ClassifierVerdict,
    ModelSignature,
    SelfTest,
    Summary,
    read_contract,
)
from seatrial.monitoring.classifier_bounds import bound_for, judge_together
from seatrial.monitoring.columns import model_columns, read_columns
from seatrial.monitoring.domain_classifier import require_lightgbm
from seatrial.monitoring.text import read_texts
from seatrial.serving.arrays import is_missing

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Together:
    """The columns that the classifier sees: held-out rows, the reference's sample, the bound."""

    rows: Mapping[str, Array]
    sample: Mapping[str, Array]
    like: Summary
    known: ClassifierBound

    def __len__(self) -> int:
        return len(next(iter(self.rows.values())))

    def judge(self, window: Mapping[str, Array]) -> ClassifierVerdict:
        """The verdict that DetectDrift would come to."""
        return judge_together(self.sample, window, self.like, self.known)

    @property
    def movable(self) -> list[str]:
        """The columns whose order matters: those with two values or more."""
        return [name for name, values in self.rows.items() if len(set(values.tolist())) > 1]


def read_together(baseline_dir: Path, window_h: float) -> Together | None:
    """What BuildBaseline kept for windows of that length; None if the classifier is off.

    None also where fewer than two columns have more than one value: nothing can go together.
    """
    known = bound_for(read_contract(Baseline, baseline_dir / "baseline.json"), window_h)
    if known is None:
        return None
    require_lightgbm()
    signature = read_contract(ModelSignature, baseline_dir / "signature.json")
    columns = (*model_columns(signature), *read_texts(baseline_dir).columns)
    seen = [item for item in columns if item.name in known.columns]
    summary = read_contract(Summary, baseline_dir / "summary.json")
    like = {item.name: summary.columns[item.name] for item in seen}
    found = Together(
        read_columns(baseline_dir / "held_out.parquet", seen),
        read_columns(baseline_dir / "reference_sample.parquet", seen),
        Summary(rows=summary.rows, columns=like),
        known,
    )
    return found if len(found.movable) > 1 else None


def self_tests_together(baseline_dir: Path, window_h: float, *, seed: int) -> Iterator[SelfTest]:
    """Untouched rows (no alert), and rows whose columns follow one another (an alert)."""
    together = read_together(baseline_dir, window_h)
    if together is None:
        return
    moved = follow_one_another(together.rows, np.random.default_rng(seed))
    for name, window in (("untouched rows", together.rows), ("other rows", moved)):
        found = together.judge(window)
        yield SelfTest(
            name=f"{name} by all columns, {window_h:g} h",
            rows=len(together),
            expected_alert=window is moved,
            alert=found.status == "drift",
            moved_columns=(),
            alerted_columns=tuple(item.column for item in found.columns),
            detail=found.detail,
        )


def follow_one_another(rows: Mapping[str, Array], random: np.random.Generator) -> dict[str, Array]:
    """Every column put in order of its values, up and down in turns, and then all rows shuffled."""
    along = random.permutation(len(next(iter(rows.values()))))
    return {
        name: in_order(values, along, random, down=bool(at % 2))
        for at, (name, values) in enumerate(rows.items())
    }


def follow(rows: Mapping[str, Array], one: str, other: str, random: np.random.Generator) -> Array:
    """The values of `one` permuted so that they follow `other`: the other way round than before."""
    along = order_of(rows[other], random)
    place, place_along = np.argsort(order_of(rows[one], random)), np.argsort(along)
    down = float(np.corrcoef(place, place_along)[0, 1]) > 0
    return in_order(rows[one], along, random, down=down)


def in_order(values: Array, along: Array, random: np.random.Generator, *, down: bool) -> Array:
    """The same values, rising in the rows of `along`, or falling."""
    own = order_of(values, random)
    moved = np.empty_like(values)
    moved[along] = values[own[::-1] if down else own]
    return moved


def order_of(values: Array, random: np.random.Generator) -> Array:
    """The rows by their values; those of equal values, and those without, by chance.

    >>> order_of(np.array([3.0, 1.0, 2.0]), np.random.default_rng(0)).tolist()
    [1, 2, 0]
    """
    shuffled = random.permutation(len(values))
    missing = is_missing(values)
    keys = np.full(len(values), np.inf)
    keys[~missing] = np.unique(values[~missing], return_inverse=True)[1]
    found: Array = shuffled[np.argsort(keys[shuffled], kind="stable")]
    return found
