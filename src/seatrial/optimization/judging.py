"""From what was measured to a candidate with its figures, and its rejection where it earned one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.config import GuardsConfig
from seatrial.contracts import Candidate
from seatrial.guards import Predictions, agreement, rejection, unusable
from seatrial.optimization.building import Draft
from seatrial.optimization.comparison import latencies_of, left_out, start_of
from seatrial.optimization.data import ValidationData
from seatrial.optimization.drops import Judge
from seatrial.optimization.measuring import Measured
from seatrial.optimization.selection import BASE, slower


@dataclass(frozen=True)
class Evidence:
    """What candidates are compared with; `judge` is None where there are no labels."""

    validation: ValidationData
    original: Predictions
    judge: Judge | None
    guards: GuardsConfig


def judge_all(
    drafts: Iterable[Draft], measured: Mapping[str, Measured], evidence: Evidence
) -> Iterator[Candidate]:
    """Each draft as a candidate; speed-ups are over fp32's runs."""
    base = measured.get(BASE)
    for draft in drafts:
        yield judge(draft, measured.get(draft.name), base, evidence)


def judge(
    draft: Draft, measured: Measured | None, base: Measured | None, evidence: Evidence
) -> Candidate:
    """The first reason against it counts: not built, not served, no numbers, a guard, slower."""
    candidate = _unmeasured(draft)
    if measured is None:
        return candidate
    if measured.predictions is None:
        reason = f"does not run in the serving environment: {measured.failure}"
        return candidate.model_copy(update={"rejection": reason})
    broken = unusable(evidence.original, measured.predictions)
    if broken is not None:
        return candidate.model_copy(update={"rejection": broken})
    found = {**_figures(measured, base), **_quality(measured.predictions, evidence)}
    candidate = candidate.model_copy(update=found)
    original = evidence.judge.quality if evidence.judge else {}
    against = rejection(
        found["agreement"], original, found["drops"], evidence.guards, exact=candidate.exact
    ) or slower(candidate)
    return candidate.model_copy(update={"rejection": against})


def _unmeasured(draft: Draft) -> Candidate:
    return Candidate(
        name=draft.name,
        backend=draft.backend,
        precision=draft.precision,
        graph_optimization=draft.graph_optimization,
        detail=draft.detail,
        archive=None,
        archive_sha256=None,
        archive_size_mb=None,
        model_size_mb=draft.model_size_mb,
        agreement=None,
        quality={},
        rejection=draft.rejection,
    )


def _figures(measured: Measured, base: Measured | None) -> dict[str, Any]:
    runs = measured.runs
    against = base.runs if base is not None and base is not measured else ()
    return {
        "start": start_of(runs, against),
        "latencies": latencies_of(runs, against),
        "cut_short": left_out(runs),
        "peak_memory_mb": max(run.peak_memory_mb for run in runs),
    }


def _quality(predicted: Predictions, evidence: Evidence) -> dict[str, Any]:
    validation = evidence.validation
    found: dict[str, Any] = {
        "agreement": agreement(evidence.original, predicted, validation.task),
        "quality": {},
        "drops": {},
    }
    if evidence.judge is not None:
        labelled = validation.labelled_only(predicted)
        found["quality"] = evidence.judge.measure(labelled)
        found["drops"] = evidence.judge.drops(labelled)
    return found
