"""What an interval says: of a gain, better or not; of a change, within its limit or not."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from seatrial.contracts import Decision, Estimate, Guard, GuardStatus
from seatrial.quality import IN_UNITS_OF_THE_TARGET

# A change of exactly the limit passes, whatever the difference of two floats makes of it.
ROUNDING = 1e-9


def decide(gain: Estimate | None, margin: float) -> Decision:
    """Read the 95 % interval of the gain; None is no champion to gain on.

    A tie is shown, not assumed: the whole interval lies within `margin` of zero. An interval that
    spans zero and reaches further says only that there are too few rows.

    >>> decide(Estimate(value=0.02, low=0.01, high=0.03), 0.002)
    'better'
    >>> decide(Estimate(value=0.02, low=-0.01, high=0.05), 0.002)
    'cannot tell'
    """
    if gain is None:
        return "no champion"
    if -margin - ROUNDING <= gain.low and gain.high <= margin + ROUNDING:
        return "tie"
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "cannot tell"


def margin_of(metric: str, margin: float, champion: float) -> float:
    """A margin in the metric's unit: errors in the target's unit have it as a share of them."""
    return margin * abs(champion) if metric in IN_UNITS_OF_THE_TARGET else margin


def within(change: Estimate, limit: float) -> GuardStatus:
    """`pass` if the whole interval is within the limit, `fail` if all of it is beyond."""
    if change.high <= limit + ROUNDING:
        return "pass"
    return "fail" if change.low > limit + ROUNDING else "unknown"


def objections(
    decision: Decision, guards: Sequence[Guard], unknown_blocks: Collection[str]
) -> tuple[str, ...]:
    """Why the challenger is not accepted; empty if it is."""
    found = [] if decision in ("better", "no champion") else [_WHY[decision]]
    found += [
        f"{guard.code} {guard.what}: {guard.detail}"
        for guard in guards
        if guard.status == "fail" or (guard.status == "unknown" and guard.code in unknown_blocks)
    ]
    return tuple(found)


_WHY: dict[Decision, str] = {
    "tie": "the difference is too small to matter (comparison.tie_margin)",
    "worse": "the challenger is worse",
    "cannot tell": "the interval of the gain spans zero; it takes more validation rows",
}
