"""How long a sandbox stays without a request: asked again after pauses that grow, then halve.

AWS does not say. CloudWatch's ModelSetupTime has a data point for each sandbox that was started, so
a request that adds one found none. Each pause is tried once, and only on one sandbox.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from seatrial.config import TrialConfig
from seatrial.contracts.trial import IdlePause, IdleTime
from seatrial.errors import CloudError


@dataclass(frozen=True)
class Probe:
    """One request to the endpoint, then how many sandboxes were started for it so far.

    `ask` raises what the request was answered with, `setups` CloudError if nobody can say.
    """

    ask: Callable[[], None]
    setups: Callable[[], int]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]


def measure_idle(probe: Probe, settings: TrialConfig, say: Callable[[str], None]) -> IdleTime:
    """Between which two pauses the sandbox went; what ended it early is told in the answer."""
    pauses: list[IdlePause] = []
    failure = None
    try:
        probe.ask()
        last = probe.now()  # the sandbox is idle while CloudWatch is asked
        setups = probe.setups()
        while (pause_s := next_pause_s(pauses, settings)) is not None:
            say(f"idle for {pause_s:.0f} s")
            probe.sleep(max(0.0, (last + timedelta(seconds=pause_s) - probe.now()).total_seconds()))
            taken_s = (probe.now() - last).total_seconds()
            probe.ask()
            last, before, setups = probe.now(), setups, probe.setups()
            pauses.append(IdlePause(pause_s=taken_s, cold=setups > before))
    except CloudError as error:
        failure = str(error)
    warm_s, cold_s = bounds_s(pauses)
    return IdleTime(pauses=tuple(pauses), warm_s=warm_s, cold_s=cold_s, ended_early=failure)


def bounds_s(pauses: list[IdlePause]) -> tuple[float | None, float | None]:
    """The longest pause below every cold one after which it was warm, and the shortest cold one.

    >>> bounds_s([IdlePause(pause_s=60, cold=False), IdlePause(pause_s=120, cold=True)])
    (60.0, 120.0)
    """
    cold_s = min((item.pause_s for item in pauses if item.cold), default=None)
    warm = [
        item.pause_s
        for item in pauses
        if not item.cold and (cold_s is None or item.pause_s < cold_s)
    ]
    return max(warm, default=None), cold_s


def next_pause_s(pauses: list[IdlePause], settings: TrialConfig) -> float | None:
    """Twice as long while it is warm, then half-way between; None once that is close enough."""
    within_s, longest_s = settings.idle_within_s, settings.idle_longest_s
    warm_s, cold_s = bounds_s(pauses)
    if cold_s is None:
        if warm_s is not None and warm_s >= longest_s:
            return None
        return min(within_s if warm_s is None else 2 * warm_s, longest_s)
    least_s = warm_s or 0.0
    return None if cold_s - least_s <= within_s else (least_s + cold_s) / 2


def at_most(settings: TrialConfig) -> tuple[int, float]:
    """The requests and seconds that it takes at most, whatever the answers are.

    CloudWatch's delay comes on top, where it is longer than a pause.
    """

    def rest(pauses: list[IdlePause]) -> tuple[int, float]:
        pause_s = next_pause_s(pauses, settings)
        if pause_s is None:
            return 0, 0.0
        taken = [rest([*pauses, IdlePause(pause_s=pause_s, cold=cold)]) for cold in (True, False)]
        return 1 + max(count for count, _ in taken), pause_s + max(seconds for _, seconds in taken)

    requests, seconds = rest([])
    return requests + 1, seconds
