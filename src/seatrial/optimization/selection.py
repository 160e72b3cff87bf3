"""Which candidates go on to be profiled: at most a few, the original's own form among them.

A candidate that is slower than fp32 at a declared batch size is rejected, if the interval of its
speed-up says so. One that looks slower without being surely so is passed over, whatever else it
gains, and so is one that gains nothing worth another variant. The others are ordered by what
serverless bills: time, here CPU time over the payloads, times memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seatrial.contracts import Candidate, Estimate

BASE = "fp32"
# Less is not seen by anyone who pulls or holds the model.
MIN_SAVED_MB = 1.0


def slower(candidate: Candidate) -> str | None:
    """At which batch size it is slower than fp32; None if it is at none, or that is not sure."""
    for item in candidate.latencies:
        if item.speedup is not None and item.speedup.high < 1:
            return (
                f"slower than {BASE} at {_rows(item.rows)} a call: {_times(item.speedup)} its speed"
            )
    return None


def perhaps_slower(candidate: Candidate, least: float) -> str | None:
    """At which batch size it lost at least `least`, if only by chance; None if at none."""
    for item in candidate.latencies:
        if item.speedup is not None and item.speedup.value * (1 + least) < 1:
            return (
                f"perhaps slower than {BASE} at {_rows(item.rows)} a call: "
                f"{_times(item.speedup)} its speed"
            )
    return None


def select(
    candidates: Sequence[Candidate], *, max_survivors: int, min_gain_ratio: float
) -> tuple[Candidate, ...]:
    """The same candidates in the same order, with `passed_over` where one does not go on."""
    base = next((item for item in candidates if item.name == BASE), None)
    reasons: dict[str, str] = {}
    ranked = []
    for item in candidates:
        if item.rejection is not None or item is base:
            continue
        doubt = perhaps_slower(item, min_gain_ratio)
        if base is not None and doubt is not None:
            reasons[item.name] = doubt
        elif base is not None and not any(gains(item, base, min_gain_ratio)):
            reasons[item.name] = f"gains nothing over {BASE}: {describe(item, base)}"
        else:
            ranked.append(item)
    ranked.sort(key=lambda item: (cost(item), item.model_size_mb or 0, item.name))
    places = max_survivors - (1 if base is not None and base.rejection is None else 0)
    for item in ranked[places:]:
        better = ", ".join(other.name for other in ranked[:places]) or BASE
        reasons[item.name] = f"{better} cost less time and memory; {max_survivors} go on at most"
    return tuple(
        item.model_copy(update={"passed_over": reasons.get(item.name)}) for item in candidates
    )


def cost(candidate: Candidate) -> float:
    """CPU time over the payloads in equal shares, times the peak of memory."""
    return sum(item.cpu_ms for item in candidate.latencies) * (candidate.peak_memory_mb or 0)


def gains(candidate: Candidate, base: Candidate, least: float) -> Iterator[bool]:
    """Whether each of time, cold start, memory and size is better by the least gain."""
    start = candidate.start
    for estimate in (
        *(item.speedup for item in candidate.latencies),
        start.speedup if start else None,
    ):
        yield estimate is not None and estimate.low > 1 and estimate.value >= 1 + least
    for ours, theirs in (
        (candidate.peak_memory_mb, base.peak_memory_mb),
        (candidate.model_size_mb, base.model_size_mb),
    ):
        if ours is not None and theirs is not None:
            yield theirs >= ours * (1 + least) and theirs - ours >= MIN_SAVED_MB


def describe(candidate: Candidate, base: Candidate) -> str:
    """What it measured against fp32, for a person."""
    parts = [
        f"{_times(item.speedup)} the speed at {_rows(item.rows)}"
        for item in candidate.latencies
        if item.speedup is not None
    ]
    if candidate.peak_memory_mb and base.peak_memory_mb:
        peaks = (candidate.peak_memory_mb, base.peak_memory_mb)
        parts.append("{:.0f} MB at its peak, not {:.0f}".format(*peaks))
    return ", ".join(parts) or "nothing was measured"


def _times(speedup: Estimate) -> str:
    return f"{speedup.value:.2f} times (95 % {speedup.low:.2f} to {speedup.high:.2f})"


def _rows(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"
