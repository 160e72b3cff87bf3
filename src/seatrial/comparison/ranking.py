"""Which runs of an experiment can be compared, best first, and why others cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.errors import InputError
from seatrial.quality import HIGHER_IS_BETTER


@dataclass(frozen=True)
class ComparedRun:
    """One finished run; `metric` is what it logged, which ranks and proves nothing."""

    run_id: str
    name: str
    metric: float


@dataclass(frozen=True)
class Ranking:
    """The runs that can be compared, best logged metric first, and why others cannot."""

    runs: tuple[ComparedRun, ...]
    skipped: tuple[str, ...]


def rank_runs(runs: Sequence[Any], experiment: str, metric: str, *, lower: bool) -> Ranking:
    """The finished of MLflow's `runs` that logged `metric`, best first; InputError without one."""
    finished = [run for run in runs if run.info.status == "FINISHED"]
    able = [run for run in finished if run.data.metrics.get(metric) is not None]
    if not able:
        raise _nothing_to_compare(experiment, metric, runs, finished)
    ranked = sorted(able, key=lambda run: run.data.metrics[metric], reverse=not lower)
    return Ranking(
        tuple(ComparedRun(r.info.run_id, r.info.run_name, r.data.metrics[metric]) for r in ranked),
        tuple(_skipped(metric, runs, finished)),
    )


def lower_is_better(metric: str) -> bool:
    """Whether the least comes first; of a metric that is not known here, more is better."""
    return not HIGHER_IS_BETTER.get(metric, True)


def _nothing_to_compare(
    experiment: str, metric: str, runs: Sequence[Any], finished: Sequence[Any]
) -> InputError:
    logged = sorted({name for run in finished for name in run.data.metrics})
    if not finished:
        states = sorted({run.info.status for run in runs})
        got = f"{len(runs)} runs, all of them {', '.join(states)}" if runs else "no run"
        return InputError(
            f"no finished run of {experiment} to compare",
            got=got,
            allowed="at least one FINISHED run",
            do="Train one, or widen --filter",
        )
    return InputError(
        f"no finished run of {experiment} has the metric",
        got=metric,
        allowed=", ".join(logged) or "none",
        do="Log it with mlflow.log_metric, or rank by another with --rank-by",
    )


def _skipped(metric: str, runs: Sequence[Any], finished: Sequence[Any]) -> Iterator[str]:
    for run in runs:
        if run.info.status != "FINISHED":
            yield f"{run.info.run_name}: {run.info.status.lower()}"
    for run in finished:
        if run.data.metrics.get(metric) is None:
            yield f"{run.info.run_name}: logged no {metric}"
