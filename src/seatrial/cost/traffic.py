"""When requests come: arrivals over a span, exact or drawn from a rhythm of minutes.

Everything drawn depends on a seed alone. Arrivals are seconds since the span began, ascending.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from seatrial.cost.prices import HOURS_A_MONTH, MONTH_S
from seatrial.errors import InputError

Numbers = npt.NDArray[np.float64]
ShapeName = Literal["steady", "diurnal", "bursty"]

MINUTE_S = 60.0
MAX_ARRIVALS = 5_000_000  # simulated one by one; takes about 1 GB and, for all policies, a minute
_MINUTES_A_MONTH = HOURS_A_MONTH * 60
_MINUTES_A_DAY = 24 * 60
# Diurnal: a sine over the day; at its lowest a tenth of its highest.
_NIGHT_RATIO = 0.1
# Bursty: a tenth of the requests comes evenly, the rest in bursts of five minutes, six a day.
_EVEN_RATIO = 0.1
_BURST_MINUTES = 5
_BURSTS_A_MONTH = 6 * HOURS_A_MONTH // 24
# A sample of a long span takes whole hours, so that bursts stay whole, of every n-th day; another
# day for each hour of the day, so that every hour has its turn. Beyond that, a part of each minute.
_HOUR_MIN = 60
_MAX_STRIDE_DAYS = 13


@dataclass(frozen=True)
class Sample:
    """A span cut to pieces: `piece_s` of each of the `minutes`."""

    requests_a_month: float
    minute_counts: Numbers  # of the whole span
    minutes: npt.NDArray[np.int64]
    piece_s: float


@dataclass(frozen=True)
class Traffic:
    """The arrivals of one endpoint over `span_s`, and where they are from.

    With a `sample` the arrivals are those of its pieces, put one after the other.
    """

    arrivals_s: Numbers
    span_s: float
    source: str
    sample: Sample | None = None

    def __post_init__(self) -> None:
        if not len(self.arrivals_s):
            raise InputError(
                "there is no traffic", got=self.source, allowed="a request", do="Give a longer span"
            )
        if len(self.arrivals_s) > MAX_ARRIVALS:
            raise InputError(
                "more requests than can be simulated one by one",
                got=len(self.arrivals_s),
                allowed=MAX_ARRIVALS,
                do="Give a shorter span of the same traffic: cost is scaled to a month",
            )

    @property
    def requests(self) -> int:
        """How many arrive."""
        return len(self.arrivals_s)

    @property
    def requests_a_month(self) -> float:
        """How many would in 730 hours like these."""
        if self.sample is not None:
            return self.sample.requests_a_month
        return self.requests * MONTH_S / self.span_s

    @property
    def minute_counts(self) -> Numbers:
        """Requests in each minute of the span; of the whole span where this is a sample of it."""
        if self.sample is not None:
            return self.sample.minute_counts
        minutes = max(1, int(np.ceil(self.span_s / MINUTE_S)))
        minute = np.minimum((self.arrivals_s / MINUTE_S).astype(np.int64), minutes - 1)
        return np.bincount(minute, minlength=minutes).astype(np.float64)

    @property
    def rhythm(self) -> Rhythm:
        """How its requests are spread over the minutes of the span."""
        counts = self.minute_counts
        span_s = self.span_s if self.sample is None else len(counts) * MINUTE_S
        return Rhythm(counts / counts.sum(), span_s)


@dataclass(frozen=True)
class Rhythm:
    """Each minute's share of the requests of a span."""

    shares: Numbers
    span_s: float

    def counts(self, requests: int, *, seed: int) -> Numbers:
        """`requests` of the whole span, drawn minute by minute."""
        return _drawn(self.shares, requests, seed)

    def requests_in_span(self, requests_a_month: float) -> int:
        """How many of a month's requests come in the span."""
        return max(1, round(requests_a_month * self.span_s / MONTH_S))

    def traffic(
        self, requests_a_month: float, *, seed: int, source: str, at_most: int = MAX_ARRIVALS
    ) -> Traffic:
        """Arrivals at that rate; where that is more than `at_most`, of a sample of the span.

        The sample puts pieces of the span one after the other. Rates are kept, so costs scale with
        the requests; a fleet sees the changes from piece to piece quicker.
        """
        requests = self.requests_in_span(requests_a_month)
        counts = self.counts(requests, seed=seed)
        if requests <= at_most:
            return from_counts(counts, seed=seed, source=source, span_s=self.span_s)
        minutes, piece_s = _pieces(self.shares, requests / at_most)
        share = float(self.shares[minutes].sum())
        pieces = _drawn(
            self.shares[minutes] / share,
            max(1, round(requests * share * piece_s / MINUTE_S)),
            seed,
        )
        found = from_counts(pieces, seed=seed, source=source, piece_s=piece_s)
        return replace(found, sample=Sample(requests_a_month, counts, minutes, piece_s))


def _pieces(shares: Numbers, excess: float) -> tuple[npt.NDArray[np.int64], float]:
    """Minutes to sample, and the seconds of each, for a sample that is `excess` times smaller."""
    minutes = np.arange(len(shares))
    hour = minutes // _HOUR_MIN
    days = len(shares) // _MINUTES_A_DAY
    stride = max(1, min(math.ceil(excess), _MAX_STRIDE_DAYS, days))
    chosen = minutes[(hour // 24 + hour % 24) % stride == stride // 2]
    if not shares[chosen].any():  # all of the traffic is in other hours
        stride, chosen = 1, minutes
    return chosen, MINUTE_S * min(1.0, stride / excess)


def month_of(shape: ShapeName, requests: int, *, seed: int) -> Traffic:
    """A month of exactly `requests` requests, in that shape."""
    source = f"{shape}, {requests} requests a month, seed {seed}"
    return rhythm_of(shape, seed=seed).traffic(requests, seed=seed, source=source)


def rhythm_of(shape: ShapeName, *, seed: int) -> Rhythm:
    """A month in that shape; the seed says when bursts come."""
    if shape == "steady":
        weights = np.ones(_MINUTES_A_MONTH)
    elif shape == "diurnal":
        wave = (1 - np.cos(2 * np.pi * np.arange(_MINUTES_A_MONTH) / _MINUTES_A_DAY)) / 2
        weights = _NIGHT_RATIO + (1 - _NIGHT_RATIO) * wave
    else:
        weights = _bursts(seed)
    return Rhythm(np.asarray(weights / weights.sum(), dtype=np.float64), MONTH_S)


def from_counts(
    counts: Numbers,
    *,
    seed: int,
    source: str,
    piece_s: float = MINUTE_S,
    span_s: float | None = None,
) -> Traffic:
    """Requests counted in pieces of equal length, spread evenly at random within each."""
    whole = counts.astype(np.int64)
    if whole.sum() > MAX_ARRIVALS:
        raise InputError(
            "more requests than can be simulated one by one",
            got=int(whole.sum()),
            allowed=MAX_ARRIVALS,
            do="Give a shorter span of the same traffic: cost is scaled to a month",
        )
    span_s = len(whole) * piece_s if span_s is None else span_s
    begins = np.repeat(np.arange(len(whole)) * piece_s, whole)
    lasts = np.minimum(piece_s, span_s - begins)  # the last piece may be cut short
    arrivals = begins + np.random.default_rng(seed).random(len(begins)) * lasts
    arrivals.sort()
    return Traffic(arrivals, span_s, source)


def _bursts(seed: int) -> Numbers:
    rng = np.random.default_rng(seed)
    starts = rng.choice(_MINUTES_A_MONTH - _BURST_MINUTES, _BURSTS_A_MONTH, replace=False)
    in_burst = np.zeros(_MINUTES_A_MONTH)
    for offset in range(_BURST_MINUTES):
        np.add.at(in_burst, starts + offset, 1.0)
    weights = _EVEN_RATIO / _MINUTES_A_MONTH + (1 - _EVEN_RATIO) * in_burst / in_burst.sum()
    return np.asarray(weights, dtype=np.float64)


def _drawn(shares: Numbers, requests: int, seed: int) -> Numbers:
    return np.random.default_rng(seed).multinomial(requests, shares).astype(np.float64)
