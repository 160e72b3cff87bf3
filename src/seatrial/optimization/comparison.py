"""Runs as figures: medians, percentiles, and how many times faster than fp32, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median, stdev

from seatrial.contracts import BatchLatency, Estimate, Start
from seatrial.optimization.measuring import Run

FEWEST_FOR_P99 = 100  # with fewer it is the slowest of all


def start_of(runs: Sequence[Run], base: Sequence[Run]) -> Start:
    """The cold start; `base` are fp32's runs of the same repeats."""
    return Start(
        import_ms=median(run.import_ms for run in runs),
        load_ms=median(run.load_ms for run in runs),
        first_prediction_ms=median(run.first_prediction_ms for run in runs),
        cpu_ms=median(run.start_cpu_ms for run in runs),
        repeats=len(runs),
        speedup=ratio_estimate(
            [run.start_cpu_ms for run in base], [run.start_cpu_ms for run in runs]
        ),
    )


def latencies_of(runs: Sequence[Run], base: Sequence[Run]) -> tuple[BatchLatency, ...]:
    """Each batch size; percentiles over the calls of all repeats, paired speed-ups of medians."""
    found = []
    least = min((run.batches for run in runs), key=len)  # one may have left out what others did not
    for index, first in enumerate(least):
        calls = sorted(call for run in runs for call in run.batches[index].calls_ms)
        found.append(
            BatchLatency(
                rows=first.rows,
                p50_ms=percentile(calls, 50),
                p99_ms=percentile(calls, 99) if len(calls) >= FEWEST_FOR_P99 else None,
                cpu_ms=median(run.batches[index].cpu_ms for run in runs),
                calls=len(calls),
                speedup=ratio_estimate(
                    [median(run.batches[index].calls_ms) for run in base],
                    [median(run.batches[index].calls_ms) for run in runs],
                ),
            )
        )
    return tuple(found)


def left_out(runs: Sequence[Run]) -> tuple[str, ...]:
    """A line for each batch size that was not measured in all of the runs."""
    found = {item.rows: item.expected_s for run in runs for item in run.left_out}
    return tuple(
        f"{rows} rows: not measured, since a call would take about {seconds:.0f} s and there is "
        "nothing to compare it with; ProfileModel measures it"
        for rows, seconds in found.items()
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all do not exceed.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 50)
    2.0
    """
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def ratio_estimate(base: Sequence[float], ours: Sequence[float]) -> Estimate | None:
    """How many times less ours is than the base, paired; None where there are not two pairs.

    The logarithms of the pairs' ratios are taken as a sample of a normal distribution, so its
    95 % interval is Student's. Repeats are few: a bootstrap of seven values is too narrow.

    >>> ratio_estimate([2.0, 2.0, 2.0], [1.0, 1.0, 1.0])
    Estimate(value=2.0, low=2.0, high=2.0)
    """
    logs = [math.log(a / b) for a, b in zip(base, ours, strict=False) if a > 0 and b > 0]
    if len(logs) < 2:
        return None
    middle = fmean(logs)
    reach = student_95(len(logs) - 1) * stdev(logs) / math.sqrt(len(logs))
    return Estimate(
        value=math.exp(middle), low=math.exp(middle - reach), high=math.exp(middle + reach)
    )


def student_95(degrees: int) -> float:
    """The 97.5 % point of Student's t."""
    from scipy.stats import t

    return float(t.ppf(0.975, degrees))
