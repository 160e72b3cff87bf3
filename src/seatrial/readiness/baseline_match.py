"""How far the chosen candidate's scores can be from those that the baseline was made of.

BuildBaseline runs beside ProfileModel, before anything is chosen, and predicts with fp32. What the
endpoint then serves may be another candidate, whose scores differ a little. The distance of two
score distributions (Wasserstein's) is at most the mean deviation of the scores pair by pair, which
optimize_model measured. That over the reference's standard deviation is how much of a drift score
the exchange alone can make; it should be far below what raises an alert.

    W1(X, Y) ≤ E|X - Y| for any coupling: C. Villani, Optimal Transport: Old and New, 2009, ch. 6.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.contracts import Baseline, Check
from seatrial.readiness.checks import at_most
from seatrial.readiness.facts import Facts
from seatrial.readiness.setting import Setting

# A tenth of what raises an alert is lost in what ordinary windows do by themselves.
MAX_SHARE = 0.1


def baseline_match(facts: Facts, _: Setting) -> Iterator[Check]:
    """BASELINE_MATCH: a warning if exchanging candidates alone could be taken for drift."""
    baseline = facts.plan.baseline
    share = None if baseline is None else largest_share(facts, baseline)
    name = facts.candidate.name
    made_with = "no candidate: there is none" if baseline is None else baseline.candidate
    yield at_most(
        "BASELINE_MATCH",
        share,
        MAX_SHARE,
        "of a drift bound",
        "objective",
        detail=f"the baseline's scores are of {made_with}; what serving {name} instead may add to "
        "a drift score",
        fix=f"Build the baseline from {name}, or keep the candidate closer with guards.*",
        over="warn",
    )


def largest_share(facts: Facts, baseline: Baseline) -> float | None:
    """The share of an output's drift bound that the exchange may use up; None if unknown."""
    if baseline.candidate == facts.candidate.name:
        return 0.0
    deviation = _mean_deviation(facts, baseline)
    alerts = {
        item.column: max(item.bound, item.floor)
        for item in sorted(baseline.bounds, key=lambda item: -item.bound)  # the narrowest stays
        if item.metric == "wasserstein_std" and item.column in baseline.output_columns
    }
    stds = {name: facts.plan.output_std.get(name, 0.0) for name in alerts}
    if deviation is None or not alerts or not all(stds.values()):
        return None
    # The mean is over all score columns together; all of it may be in one of them.
    return max(len(alerts) * deviation / stds[name] / alerts[name] for name in alerts)


def _mean_deviation(facts: Facts, baseline: Baseline) -> float | None:
    """At most this far apart: each one's own deviation from the original, added."""
    known = {item.name: item.agreement for item in facts.optimization.candidates}
    ours, theirs = facts.candidate.agreement, known.get(baseline.candidate)
    if ours is None or theirs is None:
        return None
    return ours.mean_deviation + theirs.mean_deviation
