"""All of a question about costs: the comparison, the curve, the crossovers, as one report."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.contracts import CostReport
from seatrial.cost.case import Case
from seatrial.cost.comparison import compare
from seatrial.cost.crossover import Question, cost_curve, crossovers, log_steps
from seatrial.cost.report import cost_report
from seatrial.cost.setup import Objectives

# Of the requests a month asked about: the curve goes from a hundredth to a thousand times as many.
_BELOW, _ABOVE = 0.01, 1000.0


def answer(
    case: Case, *, tiers_mb: Sequence[int], objectives: Objectives, with_curve: bool
) -> CostReport:
    """The report for `seatrial cost`."""
    comparison = compare(case, tiers_mb)
    if not with_curve:
        return cost_report(case, comparison, objectives)
    question = Question(
        case.traffic.rhythm,
        case.workload,
        case.prices,
        case.setup,
        objectives,
        tuple(tiers_mb),
        case.seed,
    )
    now = case.traffic.requests_a_month
    curve = cost_curve(question, log_steps(now * _BELOW, now * _ABOVE))
    return cost_report(
        case, comparison, objectives, curve=curve, crossovers=crossovers(question, curve)
    )
