"""Where a request goes: pure functions of the configuration and of what is known now."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from seatrial.errors import InputError
from seatrial.router.settings import Settings, Switch

MONTH_S = 730 * 3600.0  # AWS's own month, as in seatrial cost
SLICES = 30  # of the window: the rate is known to a thirtieth of it
# Why a target is asked: it is the route's first; traffic is over the crossover; those before it
# have as many requests in flight as they may; the one before it turned the request away.
Reason = Literal["first", "switched", "busy", "spilled"]


@dataclass(frozen=True)
class Choice:
    """The target to ask, why, and which are left if it turns the request away."""

    target: str
    reason: Reason
    rest: tuple[str, ...]


@dataclass(frozen=True)
class Mode:
    """Whether real-time has taken over, and since when (seconds of the caller's clock)."""

    switched: bool
    since_s: float


def targets_of(route: str, settings: Settings, *, switched: bool) -> tuple[str, ...]:
    """The route's targets, in order; InputError for a route that is not configured."""
    if route not in settings.routes:
        raise InputError(
            "no such route",
            got=route,
            allowed=", ".join(settings.routes),
            do="Name one of these, or add it to the router's configuration",
        )
    names = settings.routes[route]
    if not switched or settings.switch is None:
        return names
    first = settings.switch.to
    return (first, *(name for name in names if name != first))


def choose(
    names: Sequence[str], settings: Settings, in_flight: Mapping[str, int], reason: Reason
) -> Choice:
    """The first with room. If none has, the last is asked all the same: the service decides."""
    for number, name in enumerate(names):
        most = settings.targets[name].at_once
        if most is None or in_flight.get(name, 0) < most or number == len(names) - 1:
            return Choice(name, reason if number == 0 else "busy", tuple(names[number + 1 :]))
    raise ValueError("no targets")


def next_mode(mode: Mode, switch: Switch, requests_a_month: float | None, now_s: float) -> Mode:
    """The mode from now on, with hysteresis; an unknown rate changes nothing."""
    if requests_a_month is None or now_s - mode.since_s < switch.hold_s:
        return mode
    margin = switch.margin_ratio * switch.requests_a_month
    if not mode.switched and requests_a_month > switch.requests_a_month + margin:
        return Mode(True, now_s)
    if mode.switched and requests_a_month < switch.requests_a_month - margin:
        return Mode(False, now_s)
    return mode


class Rate:
    """Requests over the last `window_s`, in slices, whatever their number."""

    def __init__(self, window_s: float, now_s: float) -> None:
        self._window_s, self._started_s = window_s, now_s
        self._slices: deque[tuple[int, int]] = deque()  # number of the slice, requests in it

    def add(self, now_s: float) -> None:
        """One more request."""
        number = self._number(now_s)
        if self._slices and self._slices[-1][0] == number:
            self._slices[-1] = (number, self._slices[-1][1] + 1)
        else:
            self._slices.append((number, 1))
        while self._slices[0][0] <= number - SLICES:
            self._slices.popleft()

    def requests_a_month(self, now_s: float) -> float | None:
        """What a month of the last window would be; None before the first window is over."""
        if now_s - self._started_s < self._window_s:
            return None
        oldest = self._number(now_s) - SLICES
        seen = sum(count for number, count in self._slices if number > oldest)
        return seen * MONTH_S / self._window_s

    def _number(self, now_s: float) -> int:
        return int((now_s - self._started_s) * SLICES / self._window_s)
